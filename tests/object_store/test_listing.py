"""The body of List Blobs is read as an XML parser reads it, in small steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.object_store.azure.errors import HierarchicalNamespace
from registry_core.object_store.azure.listing import ListingMalformed, read_listing
from registry_core.object_store.azure.properties import parse_date
from registry_core.object_store.interface import Entry, Page, Properties

pytestmark = pytest.mark.anyio

REHYDRATED = (
    "<BlobType>BlockBlob</BlobType><AccessTier>Archive</AccessTier>"
    "<ArchiveStatus>rehydrate-pending-to-hot</ArchiveStatus>"
)
TIME = datetime(2026, 11, 7, 8, 9, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """A row as storage writes it; without ``size`` a common prefix."""

    name: str
    size: int | None = 71
    etag: str = "0x8DE2E0B5A7F0B3C"
    metadata: dict[str, str] = field(default_factory=dict)
    extra: str = "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>"
    encoded: bool = False

    def __str__(self) -> str:
        mark = ' Encoded="true"' if self.encoded else ""
        name = f"<Name{mark}>{quote(self.name) if self.encoded else escape(self.name)}</Name>"
        if self.size is None:
            return f"<BlobPrefix>{name}</BlobPrefix>"
        pairs = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in self.metadata.items())
        return (
            f"<Blob>{name}<Properties><Creation-Time>Sat, 01 Aug 2026 00:00:00 GMT</Creation-Time>"
            f"<Last-Modified>Sat, 07 Nov 2026 08:09:10 GMT</Last-Modified><Etag>{self.etag}</Etag>"
            f"<Content-Length>{self.size}</Content-Length><Content-MD5/>{self.extra}</Properties>"
            f"<Metadata>{pairs}</Metadata><OrMetadata /></Blob>"
        )


def body_of(rows: Iterable[Row], marker: str = "") -> bytes:
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="x" '
        'ContainerName="c"><Prefix>p</Prefix><MaxResults>5000</MaxResults><Blobs>'
        f"{''.join(map(str, rows))}</Blobs><NextMarker>{escape(marker)}</NextMarker>"
        "</EnumerationResults>"
    ).encode()


def response(body: bytes, size: int) -> Any:
    """Return a response whose body arrives in chunks of ``size`` bytes."""

    async def chunks() -> Any:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return SimpleNamespace(content=SimpleNamespace(iter_any=chunks))


async def read(body: bytes, size: int = 2**20, *, uncommitted: bool = False) -> Page:
    return await read_listing(response(body, size), "account", uncommitted=uncommitted)


def expected(body: bytes) -> Iterator[Entry]:
    """Yield the entries that an XML parser finds."""
    for row in ET.fromstring(body).iterfind("Blobs/*"):
        path = row.findtext("Name") or ""
        if row.tag == "BlobPrefix":
            yield Entry(path)
            continue
        metadata = {pair.tag.lower(): pair.text or "" for pair in row.iterfind("Metadata/*")}
        size = int(row.findtext("Properties/Content-Length") or "")
        etag = row.findtext("Properties/Etag")
        yield Entry(path, Properties(f'"{etag}"', size, TIME, metadata))


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs"]))
ROWS = st.lists(
    st.builds(
        Row,
        name=TEXT,
        size=st.none() | st.integers(0, 2**45),
        metadata=st.dictionaries(
            st.from_regex(r"[a-zA-Z_][a-z0-9_]{0,9}", fullmatch=True), TEXT, max_size=5
        ),
    ),
    max_size=6,
)


@given(rows=ROWS, size=st.integers(20, 3000))
def test_every_listing_is_read_as_an_xml_parser_reads_it(rows: list[Row], size: int) -> None:
    body = body_of(rows)
    read_rows = run(read(body, size)).entries
    assert list(read_rows) == sorted(expected(body), key=lambda entry: entry.path)


def run(page: Any) -> Page:
    """Run a coroutine that waits for nothing but its turn."""
    try:
        while True:
            page.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return] # the coroutine's result


async def test_a_page_names_the_next_one() -> None:
    assert (await read(body_of([], "2!72!a&b<>"))).continuation == "2!72!a&b<>"
    assert (await read(body_of([Row("a")]))).continuation is None


async def test_an_empty_page_may_have_a_next_one() -> None:
    assert await read(body_of([], "next")) == Page([], "next")


async def test_what_a_row_says_of_its_blob() -> None:
    rows = [
        Row("append", extra="<BlobType>AppendBlob</BlobType>"),
        Row("archived", extra="<BlobType>BlockBlob</BlobType><AccessTier>Archive</AccessTier>"),
        Row("quoted", etag="&quot;0x1&quot;"),
        Row("rehydrated", extra=REHYDRATED),
        Row("a\x01b", encoded=True),
    ]
    encoded, append, archived, quoted, rehydrated = (await read(body_of(rows))).entries
    assert encoded.path == "a\x01b"
    assert append.properties
    assert append.properties.is_append
    assert not append.properties.archived
    assert archived.properties
    assert archived.properties.archived
    assert quoted.properties
    assert quoted.properties.etag == '"0x1"'
    assert (quoted.properties.tier, quoted.properties.archive_status) == ("Hot", "")
    assert rehydrated.properties
    assert rehydrated.properties.archived
    assert rehydrated.properties.archive_status == "rehydrate-pending-to-hot"


@pytest.mark.parametrize(
    "described",
    [
        pytest.param("<Content-Length>0</Content-Length>", id="Azure"),
        pytest.param(
            "<Last-Modified>Sat, 07 Nov 2026 08:09:10 GMT</Last-Modified><Etag>0x1</Etag>"
            "<Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>",
            id="Azurite",
        ),
    ],
)
async def test_a_row_of_staged_blocks_lacks_what_only_an_object_has(described: str) -> None:
    row = f"<Blob><Name>staged</Name><Properties>{described}</Properties></Blob>"
    typed = "<Content-Type /><BlobType>BlockBlob</BlobType>"
    body = body_of([Row("a"), Row("empty", size=0, extra=typed)])
    body = body.replace(b"</Blobs>", f"{row}</Blobs>".encode())
    *objects, staged = (await read(body, uncommitted=True)).entries
    assert staged == Entry("staged", uncommitted=True)
    assert [row.uncommitted for row in objects] == [False, False]
    assert all(row.properties for row in objects)


@pytest.mark.parametrize(
    "row",
    [
        Row("d", size=0, metadata={"hdi_isfolder": "true"}),
        Row("d", size=0, extra="<ResourceType>directory</ResourceType>"),
    ],
)
async def test_a_directory_is_refused_because_the_account_has_a_hierarchical_namespace(
    row: Row,
) -> None:
    with pytest.raises(HierarchicalNamespace, match=r"account account .* without one"):
        await read(body_of([Row("a"), row]))


@pytest.mark.parametrize("end", [b"</Blob>", b"</Blobs>", b"<NextMarker>ab"])
async def test_a_listing_without_its_end_is_not_taken_for_complete(end: bytes) -> None:
    body = body_of([Row("a"), Row("b")], "abc")
    with pytest.raises(ListingMalformed, match="it has no end"):
        await read(body[: body.index(end) + len(end)])


@pytest.mark.parametrize(
    "old, new, problem",
    [
        (b"<Name>a</Name>", b"", "a row has no name"),
        (b"<Etag>", b"<Other>", "no Etag"),
        (b"<Content-Length>71<", b"<Content-Length>many<", "many"),
        (b"Sat, 07 Nov", b"Sat, 7 Nov", "not an HTTP date"),
    ],
)
async def test_a_malformed_row_is_an_error(old: bytes, new: bytes, problem: str) -> None:
    with pytest.raises(ListingMalformed, match=problem):
        await read(body_of([Row("a")]).replace(old, new))


@pytest.mark.parametrize("month", range(1, 13))
def test_a_date_is_read_in_every_month(month: int) -> None:
    time = datetime(2026, month, 28, 23, 59, 58, tzinfo=UTC)
    assert parse_date(time.strftime("%a, %d %b %Y %H:%M:%S GMT")) == time


@pytest.mark.parametrize(
    "text", ["", "Sat, 07 Nov 2026 08:09:10 UTC", "Sat, 07 anF 2026 08:09:10 GMT", "7 Nov 2026"]
)
def test_another_format_of_a_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="date"):
        parse_date(text)


async def test_other_tasks_run_while_a_long_listing_is_parsed() -> None:
    """Each step is short: 64 KiB of the body, however much has arrived."""
    rows = [Row(f"{number:05d}", metadata={"digest": "0" * 64}) for number in range(2000)]
    body = body_of(rows)
    steps = 0
    page = read(body, len(body))
    try:
        while True:
            page.send(None)
            steps += 1
    except StopIteration:
        assert steps >= len(body) // 2**16
