"""Listings, parsed as they arrive, in small steps.

Storage's XML is scanned for the few elements that are used: a complete XML parser takes twice the
time for a page, most of it for elements that are not. Storage escapes markup in every text, so
tags in the body are tags.

learn.microsoft.com/rest/api/storageservices/list-blobs, "Response Body"
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from aiohttp import ClientResponse

from ..errors import ContinuationInvalid
from ..interface import Entry, Page, Properties
from .client import ACCEPT_XML
from .container import Container
from .errors import AnswerMalformed, HierarchicalNamespace, RequestInvalid
from .properties import parse_date
from .session import read_slices

_LONGEST_ROW = 256 * 2**10
"""Bytes of a row, at least: it has at most a name of 1 KiB and 8 KiB of metadata, escaped."""

_START_FROM_SINCE = "2026-02-06"
"""The first version of the protocol with ``startFrom``."""

METADATA = "metadata"
UNCOMMITTED = "uncommittedblobs"

_ROW_END = re.compile(rb"</Blob(?:Prefix)?>")
_ROW_START = re.compile(r'<(Blob|BlobPrefix)>\s*<Name( Encoded="true")?>([^<]*)</Name>')
_NEXT_MARKER = re.compile(r"<NextMarker>([^<]+)</NextMarker>")
_METADATA = re.compile(r"<([^<>/\s]+)>([^<]*)</")


class ListingMalformed(AnswerMalformed):
    """The body of an answer is not a listing, or not all of one."""


class BlobLister:
    """Lists the blobs of a container.

    Storage knows ``startFrom`` since a version of its protocol. Where that is refused, as by an
    emulator, listings do without it from then on.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._can_start_from = container.client.api_version >= _START_FROM_SINCE

    async def list_page(
        self,
        prefix: str,
        *,
        by_folder: bool,
        include: str,
        start_from: str | None,
        continuation: str | None,
        limit: int,
    ) -> Page:
        """Return a page of a listing: see `ObjectStore.list_page`.

        :param include: the data sets that rows have besides, separated by commas.
        """
        if not (continuation or "").isprintable():  # storage would answer with a server error
            raise ContinuationInvalid(prefix)
        query = {"restype": "container", "comp": "list", "prefix": prefix}
        query["maxresults"] = str(limit)
        if by_folder:
            query["delimiter"] = "/"
        if include:
            query["include"] = include
        if continuation is not None:
            query["marker"] = continuation
        if start_from is not None and self._can_start_from:
            query["startFrom"] = start_from
        try:
            return await self._list(prefix, query)
        except RequestInvalid:
            if continuation is not None:
                raise ContinuationInvalid(prefix) from None
            if query.pop("startFrom", None) is None:
                raise
            page = await self._list(prefix, query)
            self._can_start_from = False
            return page

    async def _list(self, prefix: str, query: Mapping[str, str]) -> Page:
        account = self._container.client.target.account
        uncommitted = UNCOMMITTED in query.get("include", "")

        async def read(response: ClientResponse) -> Page:
            return await read_listing(response, account, uncommitted=uncommitted)

        answer = await self._container.read(
            "list", "GET", None, read, subject=prefix, query=query, headers=ACCEPT_XML
        )
        return answer.value


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
    async for chunk in read_slices(response):
        scan.feed(chunk)
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
        if len(self.rest) > _LONGEST_ROW:
            raise ListingMalformed("malformed listing: a row has no end")

    def page(self) -> Page:
        tail = self.rest.decode(errors="replace")
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

    :raises ValueError: the element is missing, without a default.
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
