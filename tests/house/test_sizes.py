"""Modules and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .tree import PROJECT, tracked

LONGEST_MODULE = 300
LONGEST_FUNCTION = 70


def test_no_module_is_longer_than_300_lines() -> None:
    """A file that grows past that is asking for a second room."""
    lengths = {str(path): len((PROJECT / path).read_text().splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_function_is_longer_than_70_lines() -> None:
    """Decorators and docstrings count."""
    assert {name: length for name, length in functions() if length > LONGEST_FUNCTION} == {}


def functions() -> Iterator[tuple[str, int]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse((PROJECT / path).read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min(child.lineno for child in (node, *node.decorator_list))
                assert node.end_lineno is not None
                yield f"{path}:{node.name}", node.end_lineno - first + 1


SOURCES = tracked("*.py")
