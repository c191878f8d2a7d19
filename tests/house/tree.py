"""The project's own files, as the tests of this folder look at them."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[Path]:
    """The files that belong to the project, those not yet committed included, as relative paths."""
    listing = git("ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return sorted(Path(name) for name in listing if (PROJECT / name).is_file())


def git(*arguments: str) -> list[str]:
    """The lines that git prints, run in the project."""
    command = ["git", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
