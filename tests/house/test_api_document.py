"""docs/api.md and the table of handlers list the same endpoints."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

import pytest

from registry_core.server.application import HANDLERS
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import CheckVersion, Endpoint
from registry_core.spec.routes import parse
from registry_core.spec.staging import MAX_BLOCKS, STAGING, Staging

from .tree import PROJECT

WIRE = PROJECT / "tests" / "wire"
ID = re.compile(r"end-\d+[a-c]?|Docker")
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
    """A row of the table of endpoints in docs/api.md."""

    id: str
    methods: tuple[str, ...]
    url: str
    files: tuple[str, ...]

    def endpoints(self) -> set[type[Endpoint]]:
        """Return the endpoints that the registry recognises such requests as."""
        url = re.sub(r"<\w+>", lambda match: EXAMPLES[match[0]], self.url)
        path, _, query = url.partition("?")
        return {type(parse(method, path, parse_qsl(query))) for method in self.methods}


def rows() -> list[Row]:
    """Return the table of endpoints."""
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


def test_every_handler_has_a_row() -> None:
    """No row is of an endpoint without a handler."""
    assert set().union(*(row.endpoints() for row in ROWS)) == {CheckVersion, *HANDLERS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id} {row.url}")
def test_a_row_has_the_endpoints_own_id(row: Row) -> None:
    """The docstring of the endpoint's class has it too."""
    for endpoint in row.endpoints():
        assert row.id in (endpoint.__doc__ or ""), endpoint


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id} {row.url}")
def test_a_row_names_tests_that_exist(row: Row) -> None:
    assert row.files
    assert [name for name in row.files if not any(WIRE.rglob(name))] == []


def test_the_document_shows_staging_as_it_is() -> None:
    """The fields, the limits, the media type, and the id of the first block."""
    page = (PROJECT / "docs/api.md").read_text().partition("## Staging")[2].partition("\n## ")[0]
    [example] = re.findall(r"```json(.*?)```", page, re.DOTALL)
    staging = Staging.parse(example.encode())
    assert json.loads(staging.to_json()) == json.loads(example)
    [block_id] = re.findall(r"`(\w{31}%3D)`", page)
    assert staging.block_url(0).endswith(f"&blockid={block_id}")
    assert STAGING in page
    assert f"1 to {MAX_BLOCKS:,}" in " ".join(page.split())
