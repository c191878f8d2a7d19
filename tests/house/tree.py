"""The project's own files."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[Path]:
    """Return the relative paths of the project's files, including those not yet committed."""
    listing = git("ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return sorted(Path(name) for name in listing if (PROJECT / name).is_file())


def git(*arguments: str) -> list[str]:
    """Run git in the project, and return the lines that it prints."""
    command = ["git", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
