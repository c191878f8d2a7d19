"""Listings, parsed from storage's XML in a thread: the SDK takes 0.5 ms a row, on the event loop.

learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineResponse

from ..interface import Entry, Page, Properties

_EMPTY = '<EnumerationResults ServiceEndpoint="" ContainerName=""><Blobs/></EnumerationResults>'
_SLICE = 2**16


class ListingBody:
    """Keeps the body of a listing's response, and passes an empty listing to the SDK."""

    def __init__(self) -> None:
        self._body = b""

    def keep(self, response: PipelineResponse[Any, Any]) -> None:
        """Keep the body: the ``raw_response_hook`` of the call."""
        if response.http_response.status_code == 200:
            self._body = response.http_response.body()
            response.http_response = _EmptyResponse(response.http_response)

    async def page(self) -> Page:
        """Return the page that was kept.

        :raises AzureError: the body is not a listing.
        """
        try:
            return await asyncio.to_thread(_parse, self._body)
        except (ET.ParseError, KeyError, ValueError) as error:
            raise AzureError("malformed listing") from error


class _EmptyResponse:
    """A response with its own status and headers, and an empty listing as its body."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def body(self) -> bytes:
        return _EMPTY.encode()

    def text(self, encoding: str | None = None) -> str:
        return _EMPTY


def _parse(body: bytes) -> Page:
    parser = ET.XMLParser()  # noqa: S314 - storage is trusted
    # In slices, so that other threads can run.
    for start in range(0, len(body), _SLICE):
        parser.feed(body[start : start + _SLICE])
    root = parser.close()
    entries = [_entry(row) for row in root.iterfind("Blobs/*")]
    # Folders and objects may be listed separately.
    entries.sort(key=lambda entry: entry.path)
    return Page(entries, root.findtext("NextMarker") or None)


def _entry(row: ET.Element) -> Entry:
    named = row.find("Name")
    path = "" if named is None else named.text or ""
    if named is not None and named.get("Encoded") == "true":
        path = unquote(path)
    if row.tag == "BlobPrefix":
        return Entry(path)
    properties = {item.tag: item.text or "" for item in row.iterfind("Properties/*")}
    etag = properties["Etag"]
    return Entry(
        path,
        Properties(
            etag=etag if etag.endswith('"') else f'"{etag}"',
            size=int(properties["Content-Length"]),
            last_modified=parsedate_to_datetime(properties["Last-Modified"]),
            metadata={item.tag.lower(): item.text or "" for item in row.iterfind("Metadata/*")},
            is_append=properties["BlobType"] == "AppendBlob",
        ),
    )
