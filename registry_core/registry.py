"""What a registry can do, whatever it is made of. Every method states what it raises.

`storage` implements it over an object store. Content goes in and out in pieces, never as a whole,
except manifests. Every method may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from .spec.descriptor import Descriptor
from .spec.digest import SHA256, Digest
from .spec.endpoints import PageQuery, Reference
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
class PushedManifest:
    """What was stored, and the ``subject`` that it names, if any."""

    descriptor: Descriptor
    subject: Digest | None = None


Entry_co = TypeVar("Entry_co", covariant=True)


@dataclass(frozen=True)
class Listing(Generic[Entry_co]):
    """A part of a listing, and what to ask for the next one: None after the last."""

    entries: tuple[Entry_co, ...]
    next: PageQuery | None = None


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
    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        """A new, empty upload. A digest of another algorithm in the end takes longer."""

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

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        """Make a blob of ``source``, or of any repository, one of this repository, too.

        :raises BlobUnknown: it is not there.
        """

    async def push_manifest(
        self,
        repository: str,
        reference: Reference,
        content: bytes,
        content_type: str | None,
        tags: Sequence[str] = (),
    ) -> PushedManifest:
        """Store a manifest, and let ``tags``, and ``reference`` if it is one, point to it.

        :raises ManifestInvalid: malformed, or of a type that is not supported.
        :raises DigestInvalid: the content is not what the reference says.
        :raises ManifestBlobUnknown: the repository lacks what the manifest references.
        """


class Deleter(Protocol):
    async def delete_blob(self, repository: str, digest: Digest) -> None:
        """Take a blob out of the repository. :raises BlobUnknown:"""

    async def delete_manifest(self, repository: str, digest: Digest) -> None:
        """Take a manifest out of the repository, and before it the tags that point to it.

        :raises ManifestUnknown:
        """

    async def delete_tag(self, repository: str, tag: str) -> None:
        """The manifest it points to stays. :raises ManifestUnknown:"""


class Lister(Protocol):
    async def list_tags(self, repository: str, page: PageQuery) -> Listing[str]:
        """Tags in lexical order.

        :raises NameUnknown: there is no such repository.
        :raises PaginationNumberInvalid: ``page.token`` is none that was given out.
        """

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        """Names of the repositories that have manifests, in lexical order.

        :raises PaginationNumberInvalid: as for `list_tags`.
        """

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        """Manifests whose ``subject`` this is, of the artifact type if one is given.

        :raises PaginationNumberInvalid: as for `list_tags`.
        """


class Registry(Reader, Writer, Deleter, Lister, Protocol):
    """All of it."""
