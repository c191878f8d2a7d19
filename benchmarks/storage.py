"""Bare storage, measured like the registries for comparison.

Uses Azure Blob Storage or Azurite with an account SAS, so that requests need no signature
(learn.microsoft.com/rest/api/storageservices/create-account-sas).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from .connection import Connection, Unexpected
from .content import Content
from .scale import MIB

BLOCK_SIZE = 8 * MIB
BLOCKS_AT_ONCE = 4
VERSION = "2021-12-02"
_SAS_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Block:
    """A block of a blob: its Base64 id, Base64 MD5 and bytes."""

    id: str
    md5: str
    data: bytes


class BareStorage:
    """One container."""

    def __init__(self, name: str, connection_string: str, container: str) -> None:
        pairs = (part.partition("=") for part in connection_string.split(";") if part)
        settings = {key: value for key, _, value in pairs}
        self.name = name
        self.url = settings["BlobEndpoint"]
        self._container = container
        self._path = f"{urlsplit(self.url).path.rstrip('/')}/{container}"
        self._sas = _account_sas(settings["AccountName"], settings["AccountKey"])

    def create_container(self) -> None:
        """Create the container unless it exists. :raises Unexpected: when storage refuses."""
        with Connection(self.url) as connection:
            target = f"{self._path}?restype=container&{self._sas}"
            connection.request("PUT", target, expect=[201, 409])

    def target(self, blob: str, **query: str) -> str:
        """Return the path and query of a blob, with the SAS."""
        return f"{self._path}/{blob}?{urlencode(query)}{'&' if query else ''}{self._sas}"

    def signed_url(self, blob: str) -> str:
        """Return the URL of a blob, with the SAS."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{self.target(blob)}"

    def listing(self, prefix: str) -> str:
        """Return the path and query of a listing with metadata, with the SAS."""
        query = {"restype": "container", "comp": "list", "include": "metadata", "prefix": prefix}
        return f"{self._path}?{urlencode(query)}&{self._sas}"

    def put(self, blob: str, body: bytes) -> None:
        """Send Put Blob."""
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": VERSION}
        with Connection(self.url) as connection:
            connection.request("PUT", self.target(blob), body=body, headers=headers, expect=[201])

    def put_all(self, blobs: Iterable[tuple[str, bytes, Mapping[str, str]]]) -> None:
        """Send Put Blob for each: its name, body and metadata. Several at a time."""
        waiting = iter(blobs)
        lock = threading.Lock()

        def put_some(_worker: int) -> None:
            with Connection(self.url) as connection:
                while True:
                    with lock:
                        blob = next(waiting, None)
                    if blob is None:
                        return
                    name, body, metadata = blob
                    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": VERSION}
                    headers |= {f"x-ms-meta-{key}": value for key, value in metadata.items()}
                    connection.request(
                        "PUT", self.target(name), body=body, headers=headers, expect=[201]
                    )

        with ThreadPoolExecutor(BLOCKS_AT_ONCE) as pool:
            list(pool.map(put_some, range(BLOCKS_AT_ONCE)))

    def put_blocks(self, blob: str, blocks: list[Block]) -> None:
        """Send Put Block for each, a few at a time, then Put Block List."""
        with ThreadPoolExecutor(BLOCKS_AT_ONCE) as pool:
            shares = (blocks[start::BLOCKS_AT_ONCE] for start in range(BLOCKS_AT_ONCE))
            list(pool.map(lambda share: self._stage(blob, share), shares))
        names = "".join(f"<Latest>{block.id}</Latest>" for block in blocks)
        with Connection(self.url) as connection:
            connection.request(
                "PUT",
                self.target(blob, comp="blocklist"),
                body=f"<BlockList>{names}</BlockList>".encode(),
                headers={"x-ms-version": VERSION},
                expect=[201],
            )

    def stage(self, blob: str, block_id: str, data: bytes) -> None:
        """Send Put Block. ``block_id`` is sent in Base64."""
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        self._stage(blob, [Block(_base64(block_id.encode()), _base64(md5), data)])

    def _stage(self, blob: str, blocks: list[Block]) -> None:
        with Connection(self.url) as connection:
            for block in blocks:
                target = self.target(blob, comp="block", blockid=block.id)
                headers = {"x-ms-version": VERSION, "Content-MD5": block.md5}
                connection.request("PUT", target, body=block.data, headers=headers, expect=[201])

    def get(self, blob: str, size: int) -> None:
        """Send Get Blob and read it all. :raises Unexpected: when it has another size."""
        with Connection(self.url) as connection:
            answer = connection.request("GET", self.target(blob), expect=[200])
        if answer.size != size:
            raise Unexpected(f"received {answer.size} bytes of {size}")


def blocks_of(content: Content) -> list[Block]:
    """Split content into blocks of 8 MiB."""
    return [
        Block(_base64(b"%08d" % number), _base64(hashlib.md5(data).digest()), data)
        for number, data in enumerate(_batches(content))
    ]


def _batches(content: Content) -> Iterator[bytes]:
    batch: list[bytes] = []
    for piece in content.pieces():
        batch.append(piece)
        if len(batch) * MIB >= BLOCK_SIZE:
            yield b"".join(batch)
            batch = []
    if batch:
        yield b"".join(batch)


def new_blob_name() -> str:
    """Return a new blob name."""
    return f"benchmark-{os.urandom(8).hex()}"


def _account_sas(account: str, key: str) -> str:
    now = time.time()
    start, expiry = (_iso(now - 300), _iso(now + _SAS_SECONDS))
    fields = {"sp": "rwdlac", "ss": "b", "srt": "sco", "st": start, "se": expiry}
    # Account, permissions, services, resource types, start, expiry, no IP range, protocols,
    # version, no encryption scope: each ends with a newline.
    signed = [account, *fields.values(), "", "https,http", VERSION, ""]
    text = "".join(f"{value}\n" for value in signed)
    signature = hmac.new(base64.b64decode(key), text.encode(), "sha256").digest()
    fields |= {"spr": "https,http", "sv": VERSION, "sig": _base64(signature)}
    return urlencode(fields)


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
