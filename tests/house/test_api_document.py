"""docs/api.md, the table of handlers, and the tests over HTTP speak of the same endpoints."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

import pytest

from registry_core.server.application import HANDLERS
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import CheckVersion, Endpoint
from registry_core.spec.routes import parse

from .tree import PROJECT

WIRE = PROJECT / "tests" / "wire"
ID = re.compile(r"end-\d+[a-c]?|Docker")
# The specification's workflow categories, and "API": what holds for all of them.
CATEGORIES = ("api", "pull", "push", "discovery", "management")
EXAMPLES = {
    "<name>": "a/b",
    "<digest>": str(Digest.of(b"")),
    "<reference>": "v1",
    "<tag>": "v1",
    "<id>": "an-upload",
    "<algorithm>": "sha512",
    "<n>": "5",
    "<last>": "v1",
    "<type>": "a/b",
}


@dataclass(frozen=True)
class Row:
    """An endpoint, as docs/api.md has it."""

    id: str
    methods: tuple[str, ...]
    url: str
    files: tuple[str, ...]

    def endpoints(self) -> set[type[Endpoint]]:
        """What the registry takes such requests for."""
        url = re.sub(r"<\w+>", lambda match: EXAMPLES[match[0]], self.url)
        path, _, query = url.partition("?")
        return {type(parse(method, path, parse_qsl(query))) for method in self.methods}


def rows() -> list[Row]:
    """The table of endpoints."""
    found = []
    for line in (PROJECT / "docs/api.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if ID.fullmatch(cells[0]):
            ident, request, _, tested = cells
            url = re.findall(r"/v2[^\s`]*", request)
            assert len(url) == 1, line
            methods = tuple(re.findall(r"\b[A-Z]{3,}\b", request.partition("/v2")[0]))
            found.append(Row(ident, methods, url[0], tuple(re.findall(r"`(\w+\.py)`", tested))))
    return found


ROWS = rows()


def ids_named(file: str) -> set[str]:
    """The endpoints that a module of the wire suite and its tests name in their docstrings."""
    tree = ast.parse((WIRE / file).read_text())
    texts = [ast.get_docstring(tree), *(ast.get_docstring(test) for test in async_tests(tree))]
    return {ident for text in texts if text for ident in ID.findall(text)}


def async_tests(tree: ast.Module) -> list[ast.AsyncFunctionDef]:
    return [
        node
        for node in tree.body
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def test_every_handler_has_a_row() -> None:
    """And no row asks for what nothing handles."""
    assert set().union(*(row.endpoints() for row in ROWS)) == {CheckVersion, *HANDLERS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id} {row.url}")
def test_a_row_has_the_endpoints_own_id(row: Row) -> None:
    """The class that stands for the endpoint names it too."""
    for endpoint in row.endpoints():
        assert row.id in (endpoint.__doc__ or ""), endpoint


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id} {row.url}")
def test_a_row_names_the_tests_of_its_endpoint(row: Row) -> None:
    """Each of the modules says so itself."""
    assert row.files
    assert [file for file in row.files if row.id not in ids_named(file)] == []


def test_no_test_is_of_an_endpoint_that_is_not_served() -> None:
    """Ids without their letter stand for all of that number, as end-7 does in 1.1."""
    named = set().union(*(ids_named(path.name) for path in WIRE.glob("test_*.py")))
    served = {row.id for row in ROWS}
    assert named - served - {ident.rstrip("abc") for ident in served} == set()


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_test_of_a_category_names_its_endpoints(category: str) -> None:
    """By the specification's ids, or that it is about all of them."""
    paths = list(WIRE.glob(f"test_{category}*.py"))
    assert paths
    silent = [
        f"{path.name}: {test.name}"
        for path in paths
        for test in async_tests(ast.parse(path.read_text()))
        if not re.search(f"{ID.pattern}|[Ee]very endpoint", ast.get_docstring(test) or "")
    ]
    assert silent == []
