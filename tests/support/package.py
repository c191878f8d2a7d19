"""The package that is published to Azure, made as the tools make it.

Two tools read .funcignore, by different rules: `func azure functionapp publish` has its own
(Azure/azure-functions-core-tools: `GitIgnoreParser`, `FileSystemHelpers.GetLocalFiles`), `azd
deploy` git's (Azure/azure-dev: `ServiceTargetKind.IgnoreFile`). Neither looks at .gitignore.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

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


def write_zip(root: Path, files: Iterable[str], target: Path) -> None:
    """The package: these files of a folder, compressed."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name in sorted(files):
            package.write(root / name, name)


def _files(root: Path) -> Iterable[Path]:
    return (path.relative_to(root) for path in root.rglob("*") if path.is_file())


def _pattern(lines: Iterable[str]) -> re.Pattern[str]:
    translated = [_translated(line.removeprefix("/")) for line in lines]
    return re.compile(rf"(?:{'|'.join(translated)})\b" if translated else r"(?!)", re.ASCII)


def _translated(line: str) -> str:
    parts = re.split(r"(\*\*|\*)", line)
    return "".join({"**": ".+", "*": "[^/]+"}.get(part, re.escape(part)) for part in parts)
