"""The package that is published to Azure, made as the tools make it.

Two tools read .funcignore, by different rules: `func azure functionapp publish` has its own
(Azure/azure-functions-core-tools: `GitIgnoreParser`, `FileSystemHelpers.GetLocalFiles`), `azd
deploy` git's (Azure/azure-dev: `ServiceTargetKind.IgnoreFile`). Neither looks at .gitignore.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from tests.house.tree import PROJECT, tracked

SITE_PACKAGES = Path(".python_packages/lib/site-packages")  # where the remote build puts them
_PIP_SECONDS = 900  # every wheel may have to come over a slow network

# What Core Tools never sends, whatever .funcignore says, at any depth.
_NEVER_FOLDERS = {".git", ".vscode"}
_NEVER_FILES = {".funcignore", ".gitignore", "local.settings.json", "project.lock.json"}


class CoreToolsRules:
    """.funcignore as Core Tools reads it: each pattern is compared from the path's beginning.

    `*` is one character or more, within a folder; `**` one or more of any; all else is itself. It
    is enough that the path begins with the pattern, if a word begins or ends there. A line with
    an exclamation mark beats all the others, wherever it stands.
    """

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        self._ignored = _pattern(line for line in lines if not line.startswith("!"))
        self._kept = _pattern(line[1:] for line in lines if line.startswith("!"))

    def accepts(self, path: str) -> bool:
        """Whether the file at this relative path, with slashes, is sent."""
        return bool(self._kept.match(path)) or not self._ignored.match(path)


def core_tools_files(root: Path) -> set[str]:
    """What `func azure functionapp publish` sends of a folder: paths relative to it."""
    rules = CoreToolsRules((root / ".funcignore").read_text())
    return {
        path.as_posix()
        for path in _files(root)
        if not _NEVER_FOLDERS & set(path.parts[:-1])
        and path.name.lower() not in _NEVER_FILES
        and rules.accepts(path.as_posix())
    }


def azd_files(root: Path) -> set[str]:
    """What `azd deploy` sends of a folder: paths relative to it. git applies the rules."""
    with tempfile.TemporaryDirectory() as repository:
        git = ["git", f"--git-dir={repository}", f"--work-tree={root}"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        listing = ["ls-files", "--others", "-z", f"--exclude-from={root / '.funcignore'}"]
        asked = subprocess.run(
            [*git, *listing], cwd=root, capture_output=True, text=True, check=True
        )
    return {path for path in asked.stdout.split("\0") if path}


@dataclass(frozen=True)
class Published:
    """The package as it lies in Azure: unpacked, with what it needs. ``python`` has nothing."""

    folder: Path
    python: Path
    files: tuple[str, ...]
    zip_size: int

    def installed(self) -> dict[str, Distribution]:
        """What requirements.txt installed, by its name in small letters."""
        found = distributions(path=[str(self.folder / SITE_PACKAGES)])
        return {package.metadata["Name"].lower().replace("_", "-"): package for package in found}


def clone_to(root: Path) -> None:
    """Copy the project's own files."""
    for path in tracked():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / path, root / path)


def publish(clone: Path, folder: Path, environment: Path) -> Published:
    """Unpack the package in ``folder``, and install beside it what requirements.txt names.

    So does the remote build, but for two things: it takes the newest versions that requirements.txt
    allows, where here constraints.txt decides, so that two runs use the same; and it would compile
    what has no wheel, which fails here. ``environment`` becomes a Python without packages.
    """
    files = sorted(core_tools_files(clone))
    package = folder / "package.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            archive.write(clone / name, name)
    zip_size = package.stat().st_size
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    package.unlink()
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    command: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    command += ["--only-binary", ":all:", "--target", folder / SITE_PACKAGES]
    command += ["-r", folder / "requirements.txt", "-c", PROJECT / "constraints.txt"]
    subprocess.run(command, check=True, timeout=_PIP_SECONDS)
    return Published(folder, python, tuple(files), zip_size)


def _files(root: Path) -> Iterable[Path]:
    return (path.relative_to(root) for path in root.rglob("*") if path.is_file())


def _pattern(lines: Iterable[str]) -> re.Pattern[str]:
    translated = [_translated(line.removeprefix("/")) for line in lines]
    return re.compile(rf"(?:{'|'.join(translated)})\b" if translated else r"(?!)", re.ASCII)


def _translated(line: str) -> str:
    parts = re.split(r"(\*\*|\*)", line)
    return "".join({"**": ".+", "*": "[^/]+"}.get(part, re.escape(part)) for part in parts)
