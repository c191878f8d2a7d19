"""What a registry can do, whatever it is made of. Every method states what it raises.

`storage` implements it over an object store. Content goes in and out in pieces, never as a whole,
except manifests. Every method may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from .spec.descriptor import Descriptor
from .spec.digest import Digest
from .spec.endpoints import Reference
from .spec.errors import RangeInvalid

Body = AsyncIterator[bytes]


@dataclass(frozen=True)
class Upload:
    """A blob on its way in. ``offset`` bytes have arrived; ``state`` is the registry's own."""

    repository: str
    id: str
    offset: int = 0
    state: str = ""


@dataclass(frozen=True)
class Chunk:
    """A piece of an upload: its bytes, and what the client said of them beforehand, if anything.

    ``start`` is where the piece belongs, ``length`` how many bytes it should have.
    """

    body: Body
    start: int | None = None
    length: int | None = None


class UploadOutOfOrder(RangeInvalid):
    """The piece does not belong where the upload stands: at the end of ``upload``."""

    def __init__(self, upload: Upload) -> None:
        super().__init__(f"the upload has {upload.offset} bytes; the next piece starts there")
        self.upload = upload


@dataclass(frozen=True)
class ManifestContent:
    """A manifest as it was pushed, byte for byte."""

    descriptor: Descriptor
    content: bytes


@dataclass(frozen=True)
class TagPage:
    """``more`` says whether tags follow after the last one."""

    tags: tuple[str, ...]
    more: bool


class Reader(Protocol):
    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        """:raises BlobUnknown:"""

    async def get_blob(self, blob: Descriptor, *, offset: int, length: int) -> Body:
        """``length`` bytes from ``offset`` of a blob that `resolve_blob` has found.

        :raises BlobUnknown: when its content is gone, before the first piece is handed over.
        """

    async def get_blob_url(self, blob: Descriptor) -> str | None:
        """Where the client can fetch the blob by itself, for a short time; None where it cannot."""

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        """:raises ManifestUnknown:"""

    async def get_manifest(self, repository: str, reference: Reference) -> ManifestContent:
        """:raises ManifestUnknown:"""


class Writer(Protocol):
    async def start_upload(self, repository: str) -> Upload:
        """A new, empty upload."""

    async def get_upload(self, upload: Upload) -> Upload:
        """What really arrived, however old the given value is.

        :raises BlobUploadUnknown: it was finished or given up.
        """

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        """Add a piece. All of it is kept, or nothing.

        :raises UploadOutOfOrder: the piece does not belong at the upload's offset.
        :raises SizeInvalid: it does not have the length that was announced.
        :raises BlobUploadUnknown: the upload was finished or given up.
        """

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        """Add a last piece, which may be empty, and make the whole a blob of the repository.

        :raises DigestInvalid: the content is not what the digest says; the upload is given up.
        :raises UploadOutOfOrder, SizeInvalid, BlobUploadUnknown: as for `append_upload`.
        """

    async def cancel_upload(self, upload: Upload) -> None:
        """Forget what arrived. :raises BlobUploadUnknown:"""

    async def push_manifest(
        self, repository: str, reference: Reference, content: bytes, content_type: str | None
    ) -> Descriptor:
        """Store a manifest, and let the tag point to it if ``reference`` is one.

        :raises ManifestInvalid: malformed, or of a type that is not supported.
        :raises DigestInvalid: the content is not what the reference says.
        :raises ManifestBlobUnknown: the repository lacks what the manifest references.
        """


class Lister(Protocol):
    async def list_tags(self, repository: str, *, limit: int | None, last: str | None) -> TagPage:
        """Tags in lexical order, at most ``limit`` of those behind ``last``.

        :raises NameUnknown: there is no such repository.
        """


class Registry(Reader, Writer, Lister, Protocol):
    """All of it."""
