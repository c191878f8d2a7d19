"""Every package that is installed anywhere is pinned with hashes, from ranges that people write."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.house.tree import PROJECT, tracked
from tools.lock import EVERYTHING, LOCKS, write

FILES = [lock.path for lock in LOCKS]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())

_ENTRY = re.compile(
    r"(?m)^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;\\]+)(?P<marker>[^\\\n]*)"
    r"(?P<hashes>(?: *\\\n +--hash=sha256:[0-9a-f]{64})*)$"
)


def entries(path: str) -> list[re.Match[str]]:
    return list(_ENTRY.finditer((PROJECT / path).read_text()))


def pins(path: str) -> set[tuple[str, str]]:
    """The packages of a file, with their versions."""
    return {(entry["name"], entry["version"]) for entry in entries(path)}


def test_the_files_are_what_the_ranges_give(tmp_path: Path) -> None:
    """`python -m tools.lock` would change nothing, as long as no version is raised on purpose."""
    for path in (*FILES, *(source for lock in LOCKS for source in lock.sources)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / path, tmp_path / path)

    write(tmp_path)

    changed = [
        path for path in FILES if (tmp_path / path).read_text() != (PROJECT / path).read_text()
    ]
    assert changed == []


def test_every_requirements_file_is_a_lock() -> None:
    assert {path.as_posix() for path in tracked("*requirements*.txt")} == set(FILES)


@pytest.mark.parametrize("path", FILES)
def test_every_line_is_a_pinned_package_with_hashes(path: str) -> None:
    """So pip checks each of them: one hash in a file is enough to require it of all."""
    text = (PROJECT / path).read_text()
    left = [line for line in _ENTRY.sub("", text).splitlines() if line.strip()]
    assert entries(path)
    assert [entry["name"] for entry in entries(path) if not entry["hashes"]] == []
    assert [line for line in left if not line.lstrip().startswith("#")] == []


@pytest.mark.parametrize("path", [lock.path for lock in LOCKS if lock.follows])
def test_what_runs_is_what_the_tests_run_with(path: str) -> None:
    assert pins(path) <= pins(EVERYTHING.path)


def test_what_runs_is_what_the_package_allows() -> None:
    """pyproject.toml has ranges: whoever installs the wheel chooses the versions."""
    project = PYPROJECT["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    allowed = [Requirement(line) for line in (*project["dependencies"], *extras)]
    versions = dict(pins(EVERYTHING.path))
    for one in allowed:
        if one.name != project["name"]:
            assert one.specifier.contains(versions[one.name.lower()]), one
            assert not one.specifier.contains("0"), f"{one} has no lower bound"


def test_the_image_is_built_with_what_pyproject_asks_for() -> None:
    lines = (PROJECT / "requirements-build.in").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == PYPROJECT["build-system"][
        "requires"
    ]
