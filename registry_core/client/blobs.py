"""Blobs of a registry over HTTP: looked up, read, mounted and deleted.

Source: OCI distribution-spec, "Pulling blobs", "Mounting a blob from another repository" and
"Deleting Blobs".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ..registry import Body
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import DeleteBlob, GetBlob, HeadBlob
from ..spec.errors import BlobUnknown, RangeInvalid, RegistryError, Unavailable
from ..spec.media_types import OCTET_STREAM
from .answers import Answer
from .meanings import about, malformed
from .session import Session

_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(?:(\d{1,19})|\*)", re.ASCII)

_READ: Final = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)

Pieces = AsyncGenerator[bytes, None]


@dataclass(frozen=True)
class Blobs:
    """`Reader`'s and `Deleter`'s methods for blobs."""

    session: Session

    async def open_blob(self, repository: str, digest: Digest) -> RemoteBlob:
        """See `Reader`. One HEAD; what the blob's methods cost, they say."""
        return RemoteBlob(self.session, repository, await self.resolve_blob(repository, digest))

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        """See `Reader`. One HEAD; a GET of one byte besides if the answer has no length."""
        with about(self.session, repository, BlobUnknown, f"blob {digest}"):
            endpoint = HeadBlob(repository, digest)
            async with self.session.request("HEAD", endpoint) as answer:
                check_digest(answer, digest)
                size = answer.headers.get("Content-Length", "")
            if not size.isdecimal():
                return Descriptor(OCTET_STREAM, digest, await self._size(repository, digest))
            return Descriptor(OCTET_STREAM, digest, int(size))

    async def has(self, repository: str, digest: Digest) -> bool:
        """Return whether the repository has a blob. One HEAD."""
        try:
            await self.resolve_blob(repository, digest)
        except BlobUnknown:
            return False
        return True

    async def _size(self, repository: str, digest: Digest) -> int:
        headers = {"Range": "bytes=0-0"}
        endpoint = GetBlob(repository, digest)
        async with self.session.request("GET", endpoint, headers=headers, ok=_READ) as answer:
            match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            size = (match and match[3]) or answer.headers.get("Content-Length", "")
        if not size.isdecimal():
            raise malformed(f"the size of blob {digest} is missing (Content-Length)")
        return int(size)

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        """See `Deleter`."""
        deleted = (HTTPStatus.ACCEPTED, HTTPStatus.OK, HTTPStatus.NO_CONTENT)
        with about(self.session, repository, BlobUnknown, f"blob {digest}"):
            async with self.session.request("DELETE", DeleteBlob(repository, digest), ok=deleted):
                return


@dataclass(frozen=True)
class RemoteBlob:
    """A blob of a registry over HTTP.

    What is read has the right length. Whether it hashes to the digest, the reader has to check: it
    may have come from anywhere.
    """

    session: Session
    repository: str
    _descriptor: Descriptor

    @property
    def descriptor(self) -> Descriptor:
        return self._descriptor

    async def url(self) -> str | None:
        """See `Blob`: where a GET is redirected to. One GET, which is not followed."""
        with about(self.session, self.repository, BlobUnknown, f"blob {self._descriptor.digest}"):
            return await self.session.resolve_redirect(self._endpoint)

    async def read(self, offset: int, length: int) -> Body:
        """See `Blob`. One GET; another one, from where it stopped, each time it breaks off.

        The content is not verified.
        """
        pieces = self._read(offset, length)
        await anext(pieces)  # the answer has begun
        return pieces

    @property
    def _endpoint(self) -> GetBlob:
        return GetBlob(self.repository, self._descriptor.digest)

    async def _read(self, offset: int, length: int) -> Pieces:
        """Yield an empty piece when the first answer has begun, and then the content."""
        position, end, failures, has_begun = offset, offset + length, 0, False
        while position < end or not has_begun:
            before = position
            try:
                async with self._get(position, end - position) as pieces:
                    if not has_begun:
                        has_begun = True
                        yield b""
                    async for piece in pieces:
                        position += len(piece)
                        yield piece
            except Unavailable:
                failures = 1 if position > before else failures + 1
                retries = self.session.options.retries
                if not has_begun or failures >= retries.attempts:
                    raise
                await asyncio.sleep(retries.delay(failures))

    @asynccontextmanager
    async def _get(self, start: int, length: int) -> AsyncGenerator[Pieces, None]:
        """Request a part of the blob, and return its pieces: no more than ``length`` bytes.

        :raises BlobUnknown: the content is gone, or has another size.
        """
        whole = (start, length) == (0, self._descriptor.size)
        headers = {} if whole else {"Range": f"bytes={start}-{start + length - 1}"}
        with about(self.session, self.repository, BlobUnknown, f"blob {self._descriptor.digest}"):
            try:
                request = self.session.request("GET", self._endpoint, headers=headers, ok=_READ)
                async with request as answer:
                    skipped = start - self._start(answer, start)
                    async with aclosing(_part(answer.pieces(), skipped, length)) as pieces:
                        yield pieces
            except RangeInvalid as error:
                raise self._incomplete(f"it has no byte {start}") from error

    def _start(self, answer: Answer, start: int) -> int:
        """Return where the body begins: at the blob's beginning if the server ignores ranges.

        :raises BlobUnknown: the content has another size.
        """
        check_digest(answer, self._descriptor.digest)
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            if match is None or int(match[1]) != start:
                raise malformed(f"Content-Range is not the requested one, from byte {start}")
            self._check_size(match[3] or "")
            return start
        self._check_size(answer.headers.get("Content-Length", ""))
        return 0

    def _check_size(self, text: str) -> None:
        if text.isdecimal() and int(text) != self._descriptor.size:
            raise self._incomplete(f"it has {text} bytes, not {self._descriptor.size}")

    def _incomplete(self, reason: str) -> BlobUnknown:
        return BlobUnknown(f"the content of blob {self._descriptor.digest} is damaged: {reason}")


async def _part(pieces: Pieces, skipped: int, length: int) -> Pieces:
    """Yield ``length`` bytes after the first ``skipped`` ones.

    :raises Unavailable: there are fewer.
    """
    async with aclosing(pieces):
        async for piece in pieces:
            part = piece[skipped : skipped + length] if skipped or len(piece) > length else piece
            skipped = max(skipped - len(piece), 0)
            length -= len(part)
            if part:
                yield part
            if not length:
                return
    raise malformed(f"it ends {length} bytes before its end")


def check_digest(answer: Answer, digest: Digest, error: type[RegistryError] = BlobUnknown) -> None:
    """Check ``Docker-Content-Digest``, where it is there.

    It may be of another algorithm than was requested: distribution returns the sha256.

    :raises RegistryError: it is another one; ``error`` is the class.
    """
    stated = answer.headers.get("Docker-Content-Digest", "")
    if stated.startswith(f"{digest.algorithm}:") and stated != str(digest):
        raise error(f"the registry answered with blob {stated[:160]}, not {digest}")
