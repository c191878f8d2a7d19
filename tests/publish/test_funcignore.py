"""Both tools publish exactly the files that run in Azure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.package import CoreToolsRules, azd_files, core_tools_files

OTHER_FILES = {"function_app.py", "host.json", "requirements.txt"}


def test_what_runs_is_published_and_nothing_else(clone: Path) -> None:
    """function_app.py, all that it imports, and the files that the host reads."""
    assert core_tools_files(clone) == OTHER_FILES | {*reachable(clone, "function_app")}


def test_both_tools_publish_the_same(clone: Path) -> None:
    assert azd_files(clone) == core_tools_files(clone)


def test_each_line_of_funcignore_excludes_something(clone: Path) -> None:
    """A pattern that matches nothing is misspelt or obsolete."""
    lines = (clone / ".funcignore").read_text().splitlines()
    patterns = [line for line in lines if not line.startswith("#")]
    files = [path.relative_to(clone).as_posix() for path in clone.rglob("*") if path.is_file()]
    unused = [
        line for line in patterns if all(CoreToolsRules(line).accepts(name) for name in files)
    ]
    assert unused == []


@pytest.mark.parametrize(
    "pattern, path, sent",
    [
        ("tests/", "tests/a.py", "excluded"),
        ("tests/", "a/tests/a.py", "sent"),  # git would ignore it
        ("/tests/", "tests/a.py", "excluded"),
        ("*.md", "README.md", "excluded"),
        ("*.md", "docs/api.md", "sent"),  # git would ignore it
        ("*.md", ".md", "sent"),
        ("**/*.md", "docs/api/a.md", "excluded"),
        ("**/*.md", "README.md", "sent"),  # git would ignore it
        ("a", "a.py", "excluded"),  # git would not
        ("a", "ab", "sent"),
        ("a?", "ab", "sent"),  # git would ignore it
        ("a.b", "axb", "sent"),
    ],
)
def test_core_tools_has_its_own_rules(pattern: str, path: str, sent: str) -> None:
    """Each pattern becomes a regular expression, matched from the start of the path."""
    assert CoreToolsRules(pattern).accepts(path) is (sent == "sent")


def test_in_core_tools_an_exclamation_mark_overrides_later_lines() -> None:
    rules = CoreToolsRules("*\n!a/\na/b/")
    assert rules.accepts("a/b/c.py")
    assert not rules.accepts("d.py")


def reachable(root: Path, start: str) -> Iterator[str]:
    """Yield the files of a module and of all that it imports, directly or not, at once or later."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        path = _file(root, module)
        if path is None or module in seen:
            continue
        seen.add(module)
        yield path.relative_to(root).as_posix()
        parent = module.rpartition(".")[0]
        waiting += [parent, *imported(path, module if path.name == "__init__.py" else parent)]


def imported(path: Path, package: str) -> Iterator[str]:
    """Yield the absolute names of a file's imports; of `from a import b` both `a` and `a.b`.

    Imports for type checkers alone are left out.
    """
    tree = ast.parse(path.read_text())
    for_checkers = [
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
    ]
    for node in ast.walk(tree):
        if node in for_checkers:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _file(root: Path, module: str) -> Path | None:
    folder = root / module.replace(".", "/")
    paths = (folder.parent / f"{folder.name}.py", folder / "__init__.py")
    return next((path for path in paths if module and path.is_file()), None)
