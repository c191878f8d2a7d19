"""`python -m tools.lock`: write the requirements files, every package pinned with its hashes.

Versions that are locked stay, as far as the ranges allow; `--upgrade` raises them all, `--upgrade
NAME` one of them. The ranges are in pyproject.toml and in the `*.in` files. pip refuses a package
whose file has none of the hashes, in Azure's remote build as well (Microsoft's Oryx runs
`pip install -r requirements.txt`; a hash in the file switches the check on).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

# For every system and every supported Python, so that one file serves Azure, developers and CI. The
# files name no index: each machine configures where packages come from.
_OPTIONS = (
    *("--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"),
    *("--quiet", "--no-config", "--custom-compile-command", "python -m tools.lock"),
)


@dataclass(frozen=True)
class Lock:
    """A file of pinned packages, and the ranges that it is made from.

    :ivar extras: the extras of the package in pyproject.toml, if that is among the sources.
    :ivar follows: the file that determines the versions, if another one does.
    """

    path: str
    sources: tuple[str, ...]
    extras: tuple[str, ...] = ()
    follows: str = ""


EVERYTHING = Lock(
    "requirements-dev.txt",
    ("pyproject.toml", "requirements.in", "requirements-dev.in"),
    ("azure", "auth", "serve"),
)
LOCKS = (
    EVERYTHING,
    Lock(
        "requirements.txt",
        ("pyproject.toml", "requirements.in"),
        ("azure", "auth"),
        EVERYTHING.path,
    ),
    Lock("requirements-local.txt", ("pyproject.toml",), ("serve",), EVERYTHING.path),
    Lock("requirements-build.txt", ("requirements-build.in",), follows=EVERYTHING.path),
    Lock("scripts/azurite/requirements.txt", ("scripts/azurite/requirements.in",)),
)


class LockError(Exception):
    """The versions cannot be determined; the message is that of uv."""


def write(project: Path, upgrade: Sequence[str] = ()) -> None:
    """Write all files of a project.

    :param upgrade: options of uv that select the versions to raise.
    :raises LockError: no versions satisfy the ranges, or no index can be reached.
    """
    for lock in LOCKS:
        _compile(project, lock, upgrade)


def _compile(project: Path, lock: Lock, upgrade: Sequence[str]) -> None:
    extras = [f"--extra={name}" for name in lock.extras]
    versions = ["--constraints", lock.follows, "--upgrade"] if lock.follows else upgrade
    command = [_uv(), "pip", "compile", *_OPTIONS, *extras, *versions]
    ran = subprocess.run(
        [*command, "--output-file", lock.path, *lock.sources],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise LockError(f"{lock.path}: {ran.stderr.strip()}")


def _uv() -> str:
    """Return the uv of this environment, or the one on the PATH.

    :raises LockError: there is none.
    """
    path = sysconfig.get_path("scripts")
    found = shutil.which("uv", path=path) or shutil.which("uv")
    if found is None:
        raise LockError("uv is missing: run scripts/setup")
    return found


def main() -> int:
    """Write the files of this project, as the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m tools.lock", description=__doc__)
    parser.add_argument(
        "--upgrade",
        nargs="*",
        metavar="NAME",
        help="raise the versions of these packages, or of all",
    )
    names = parser.parse_args().upgrade
    upgrade = ["--upgrade"] if names == [] else [f"--upgrade-package={one}" for one in names or ()]
    try:
        write(PROJECT, upgrade)
    except LockError as error:
        print(f"tools.lock: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
