"""`python -m tools.package`: build the package that is published to Azure, and print its size.

Two tools read .funcignore, by different rules: `func azure functionapp publish` has its own
(Azure/azure-functions-core-tools: `GitIgnoreParser`, `FileSystemHelpers.GetLocalFiles`), `azd
deploy` uses git's (Azure/azure-dev: `ServiceTargetKind.IgnoreFile`). Neither reads .gitignore.
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

PROJECT = Path(__file__).resolve().parents[1]
SITE_PACKAGES = Path(".python_packages/lib/site-packages")
"""Where the remote build installs packages."""

_PIP_SECONDS = 900  # every wheel may have to come over a slow network
_SHOWN = 0.02  # the share of all packages from which on a package has a row of its own
_KIB = 1024

# Core Tools never sends these, at any depth, whatever .funcignore says.
_NEVER_FOLDERS = {".git", ".vscode"}
_NEVER_FILES = {".funcignore", ".gitignore", "local.settings.json", "project.lock.json"}


class CoreToolsRules:
    """.funcignore as Core Tools reads it: each pattern is matched from the start of the path.

    `*` matches one or more characters within a folder, `**` one or more of any kind; everything
    else matches itself. A pattern matches a path that starts with it if a word starts or ends
    there. A line with an exclamation mark overrides all others, wherever it stands.
    """

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        self._ignored = _pattern(line for line in lines if not line.startswith("!"))
        self._kept = _pattern(line[1:] for line in lines if line.startswith("!"))

    def accepts(self, path: str) -> bool:
        """Return whether the file at this relative path (with slashes) is sent."""
        return bool(self._kept.match(path)) or not self._ignored.match(path)


def core_tools_files(root: Path) -> set[str]:
    """Return the files that `func azure functionapp publish` sends, relative to ``root``."""
    rules = CoreToolsRules((root / ".funcignore").read_text())
    return {
        path.as_posix()
        for path in _files(root)
        if not _NEVER_FOLDERS & set(path.parts[:-1])
        and path.name.lower() not in _NEVER_FILES
        and rules.accepts(path.as_posix())
    }


def azd_files(root: Path) -> set[str]:
    """Return the files that `azd deploy` sends, relative to ``root``; git applies the rules."""
    with tempfile.TemporaryDirectory() as repository:
        git = ["git", f"--git-dir={repository}", f"--work-tree={root}"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        listing = ["ls-files", "--others", "-z", f"--exclude-from={root / '.funcignore'}"]
        listed = subprocess.run(
            [*git, *listing], cwd=root, capture_output=True, text=True, check=True
        )
    return {path for path in listed.stdout.split("\0") if path}


@dataclass(frozen=True)
class Published:
    """The package as unpacked in Azure, with its dependencies; ``python`` has no packages."""

    folder: Path
    python: Path
    files: tuple[str, ...]
    zip_size: int

    def installed(self) -> dict[str, Distribution]:
        """Return the packages that requirements.txt installed, by their names in lower case."""
        found = distributions(path=[str(self.folder / SITE_PACKAGES)])
        return {package.metadata["Name"].lower().replace("_", "-"): package for package in found}


def clone_to(root: Path) -> None:
    """Copy the project's files to ``root``, those not yet committed included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    paths = sorted(Path(name) for name in listed.stdout.split("\0") if name)
    for path in (path for path in paths if (PROJECT / path).is_file()):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / path, root / path)


def publish(clone: Path, folder: Path, environment: Path) -> Published:
    """Unpack the package in ``folder`` and install its requirements beside it.

    Differs from the remote build in one point: that one would compile a package without a wheel,
    which fails here. ``environment`` becomes a Python without packages.
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
    command += ["--require-hashes", "-r", folder / "requirements.txt"]
    subprocess.run(command, check=True, timeout=_PIP_SECONDS)
    return Published(folder, python, tuple(files), zip_size)


def main() -> None:
    """Publish to a temporary folder, install what requirements.txt names, and print the sizes."""
    with tempfile.TemporaryDirectory(prefix="package-") as scratch:
        clone, folder, environment = (Path(scratch, name) for name in ("clone", "app", "python"))
        folder.mkdir()
        clone_to(clone)
        print(table(publish(clone, folder, environment)))


def table(published: Published) -> str:
    """Return the sizes in KiB as a Markdown table."""
    app = sum((published.folder / name).stat().st_size for name in published.files)
    sizes = {name: _size(package) for name, package in published.installed().items()}
    total = sum(sizes.values())
    large = {name: size for name, size in sizes.items() if size >= _SHOWN * total}
    rows = [
        ("package, compressed", published.zip_size),
        (f"its {len(published.files)} files", app),
        (f"its {len(sizes)} dependencies", total),
        *sorted(((f"`{name}`", size) for name, size in large.items()), key=lambda row: -row[1]),
        (f"the {len(sizes) - len(large)} others", total - sum(large.values())),
    ]
    lines = ["| part | KiB |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {part} | {round(size / _KIB)} |" for part, size in rows)])


def _size(package: Distribution) -> int:
    """Return the size in bytes, without bytecode that pip may have added."""
    paths = [Path(str(package.locate_file(file))) for file in package.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


def _files(root: Path) -> Iterable[Path]:
    return (path.relative_to(root) for path in root.rglob("*") if path.is_file())


def _pattern(lines: Iterable[str]) -> re.Pattern[str]:
    translated = [_translated(line.removeprefix("/")) for line in lines]
    return re.compile(rf"(?:{'|'.join(translated)})\b" if translated else r"(?!)", re.ASCII)


def _translated(line: str) -> str:
    parts = re.split(r"(\*\*|\*)", line)
    return "".join({"**": ".+", "*": "[^/]+"}.get(part, re.escape(part)) for part in parts)


if __name__ == "__main__":
    main()
