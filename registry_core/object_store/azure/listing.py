"""Listings, parsed as they arrive, in small steps.

Storage's XML is scanned for the few elements that are used: a complete XML parser takes twice the
time for a page, most of it for elements that are not. Storage escapes markup in every text, so
tags in the body are tags.

learn.microsoft.com/rest/api/storageservices/list-blobs, "Response Body"
"""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote

from aiohttp import ClientResponse

from ..interface import Entry, Page, Properties, StoreUnavailable
from .errors import HierarchicalNamespace

_SLICE = 64 * 2**10
"""Bytes that are parsed in one step, in less than a millisecond. Other tasks run in between."""

_ROW_END = re.compile(rb"</Blob(?:Prefix)?>")
_ROW_START = re.compile(r'<(Blob|BlobPrefix)>\s*<Name( Encoded="true")?>([^<]*)</Name>')
_NEXT_MARKER = re.compile(r"<NextMarker>([^<]+)</NextMarker>")
_METADATA = re.compile(r"<([^<>/\s]+)>([^<]*)</")

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"


class ListingMalformed(StoreUnavailable):
    """The body of an answer is not a listing."""


async def read_listing(
    response: ClientResponse, account: str, *, uncommitted: bool = False
) -> Page:
    """Return the page in the body of an answer, in lexical order.

    :param account: the account's name, for messages.
    :param uncommitted: whether the listing has rows of staged blocks.
    :raises ListingMalformed: the body is not a listing.
    :raises HierarchicalNamespace: a row is a directory.
    """
    scan = _Scan(account, uncommitted)
    async for chunk in response.content.iter_any():
        for start in range(0, len(chunk), _SLICE):
            scan.feed(chunk[start : start + _SLICE])
            await asyncio.sleep(0)
    return scan.page()


@dataclass
class _Scan:
    """The rows of a listing so far, and the bytes after the last complete row."""

    account: str
    uncommitted: bool
    entries: list[Entry] = field(default_factory=list)
    rest: bytes = b""

    def feed(self, chunk: bytes) -> None:
        *rows, self.rest = _ROW_END.split(self.rest + chunk)
        try:
            self.entries += [self._entry(row.decode()) for row in rows]
        except ValueError as error:
            raise ListingMalformed(f"malformed listing: {error}") from None

    def page(self) -> Page:
        tail = self.rest.decode()
        if not tail.rstrip().endswith("</EnumerationResults>"):
            raise ListingMalformed("malformed listing: it has no end")
        # Folders and objects may be listed separately.
        self.entries.sort(key=lambda entry: entry.path)
        marker = _NEXT_MARKER.search(tail)
        return Page(self.entries, html.unescape(marker[1]) if marker else None)

    def _entry(self, row: str) -> Entry:
        start = _ROW_START.search(row)
        if start is None:
            raise ValueError("a row has no name")
        kind, is_encoded, name = start.groups()
        path = html.unescape(name)
        if is_encoded:
            path = unquote(path)
        if kind == "BlobPrefix":
            return Entry(path)
        described, _, rest = row[start.end() :].partition("</Properties>")
        if self.uncommitted and _is_uncommitted(described):
            return Entry(path, uncommitted=True)
        metadata = _metadata(rest)
        if _is_directory(described, metadata):
            raise HierarchicalNamespace(self.account)
        return Entry(path, _properties(described, metadata))


def _properties(described: str, metadata: dict[str, str]) -> Properties:
    etag = _text_of("Etag", described)
    return Properties(
        etag=etag if etag.endswith('"') else f'"{etag}"',
        size=int(_text_of("Content-Length", described)),
        last_modified=parse_date(_text_of("Last-Modified", described)),
        metadata=metadata,
        is_append="<BlobType>AppendBlob<" in described,
        tier=_text_of("AccessTier", described, ""),
        archive_status=_text_of("ArchiveStatus", described, ""),
    )


def _is_uncommitted(described: str) -> bool:
    """Return whether a row only has staged blocks.

    Azure leaves out several elements there, Azurite only the type of the content: list-blobs,
    "Uncommitted blobs in the response".
    """
    is_empty = "<Content-Length>0<" in described
    return "<Etag>" not in described or (is_empty and "<Content-Type" not in described)


def _text_of(element: str, text: str, default: str | None = None) -> str:
    """Return the text of the first ``element``, which is a word, a number, a date or an ETag.

    :raises ValueError: the element is missing, and there is no default.
    """
    start = text.find(f"<{element}>")
    if start < 0:
        if default is None:
            raise ValueError(f"a row has no {element}")
        return default
    start += len(element) + 2
    return text[start : text.index("<", start)].replace("&quot;", '"')


def _metadata(text: str) -> dict[str, str]:
    start = text.find("<Metadata>")
    if start < 0:
        return {}
    # The names are in the case in which they were first written.
    pairs = _METADATA.findall(text, start + len("<Metadata>"), text.index("</Metadata>", start))
    if "&" in text:
        return {name.lower(): html.unescape(value) for name, value in pairs}
    return {name.lower(): value for name, value in pairs}


def _is_directory(described: str, metadata: dict[str, str]) -> bool:
    """Return whether a row is a directory: only accounts with a hierarchical namespace have any."""
    return "<ResourceType>directory<" in described or metadata.get("hdi_isfolder") == "true"


@lru_cache(maxsize=1024)
def parse_date(text: str) -> datetime:
    """Return the time of an HTTP date in the format that storage uses.

    RFC 9110, section 5.6.7: IMF-fixdate, such as ``Sun, 06 Nov 1994 08:49:37 GMT``.

    :raises ValueError: it has another format.
    """
    month, rest = divmod(_MONTHS.find(text[8:11]), 4)
    if len(text) != 29 or not text.endswith(" GMT") or rest:
        raise ValueError(f"{text!r} is not an HTTP date")
    return datetime(
        int(text[12:16]),
        month + 1,
        int(text[5:7]),
        int(text[17:19]),
        int(text[20:22]),
        int(text[23:25]),
        tzinfo=UTC,
    )
