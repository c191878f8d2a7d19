"""tests/, benchmarks/ and tools/: the first two may import tools/, and otherwise none another."""

from __future__ import annotations

import ast

import pytest

from .tree import PROJECT, tracked

FORBIDDEN = {
    "benchmarks": {"tests"},
    "tests": {"benchmarks"},
    "tools": {"benchmarks", "tests"},
}


def imported(source: str) -> set[str]:
    """Return the top-level packages that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_folder_does_not_import_its_neighbours(folder: str) -> None:
    modules = tracked(f"{folder}/**.py")
    assert modules
    wrong = [
        str(path) for path in modules if imported((PROJECT / path).read_text()) & FORBIDDEN[folder]
    ]
    assert wrong == []
