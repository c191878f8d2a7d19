"""The interface of a registry and its values, whatever implements it.

`storage` implements it over an object store, `wrappers` over another registry. Blobs go in and out
in pieces, never as a whole; manifests are small enough to be values. Every method states what it
raises, and may raise `Unavailable` besides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from .spec.descriptor import Descriptor
from .spec.digest import SHA256, Digest
from .spec.endpoints import PageQuery, Reference
from .spec.errors import RangeInvalid, TooManyRequests
from .spec.image_config import ImageConfig
from .spec.manifest import Manifest
from .spec.preconditions import Precondition
from .spec.staging import Staging

Body = AsyncIterator[bytes]
"""Content in pieces of any size, in order."""


class Blob(Protocol):
    """A blob that a repository has."""

    @property
    def descriptor(self) -> Descriptor:
        """The media type (always ``application/octet-stream``), the digest and the size."""

    async def url(self) -> str | None:
        """Return a URL that serves the content to whoever has it, for some minutes.

        None where clients cannot fetch the content by themselves, or save nothing by it.
        """

    async def read(self, offset: int, length: int) -> Body:
        """Return ``length`` bytes (at least one) from ``offset``, all of them within the blob.

        :raises BlobUnknown: the content is gone or incomplete; before the first piece is returned.
        """


@dataclass(frozen=True)
class Upload:
    """An upload in progress: ``offset`` bytes have arrived; ``state`` is the registry's own.

    ``once``: whether it may be finished as one blob only, because the credentials of its owner have
    expired since it began. Otherwise an upload that is finished again makes another blob.
    """

    repository: str
    id: str
    offset: int = 0
    state: str = ""
    once: bool = False


@dataclass(frozen=True)
class Chunk:
    """A piece of an upload: its bytes, and what the client announced, if anything.

    ``start`` is the offset where the piece belongs, ``length`` its size in bytes.
    """

    body: Body
    start: int | None = None
    length: int | None = None


class UploadOutOfOrder(RangeInvalid):
    """The piece does not begin at the offset of ``upload``, which says how much has arrived."""

    def __init__(self, upload: Upload) -> None:
        super().__init__(f"the upload has {upload.offset} bytes; the next piece starts there")
        self.upload = upload


@dataclass(frozen=True)
class DirectUpload:
    """An upload whose whole content a client puts to ``url``, in storage, with one request.

    The registry does not see that request. Whoever began the upload claims it, by its digest.
    ``url`` is a secret: its bearer can write this upload's data, and nothing else.
    """

    upload: Upload
    url: str = field(repr=False)


class HashingUnfinished(TooManyRequests):
    """What a client has written to storage is not hashed yet; the same call again goes on."""

    def __init__(self) -> None:
        super().__init__(
            "the content is still being checked; send the same request again",
            headers={"Retry-After": "1"},
        )


class ClaimUnfinished(HashingUnfinished):
    """Not all direct uploads that may be wanted are hashed yet.

    ``claimed``: the digests of the blobs that were made nevertheless.
    """

    def __init__(self, claimed: Collection[Digest]) -> None:
        super().__init__()
        self.claimed = claimed


@dataclass(frozen=True)
class PushedManifest:
    """A manifest that was stored, and the ``subject`` that it names, if any."""

    descriptor: Descriptor
    subject: Digest | None = None


@dataclass(frozen=True)
class DeletedManifest:
    """A manifest that was deleted, and the tags that pointed to it and were deleted with it.

    ``descriptor`` is None where the content could not be read.
    """

    digest: Digest
    descriptor: Descriptor | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TagInfo:
    """A tag. Except for its name, the fields are known only if ``details`` were requested.

    They describe the manifest that the tag points to (``size`` in bytes), and when the tag was last
    set. They are None, too, where the manifest cannot be read.
    """

    name: str
    digest: Digest | None = None
    media_type: str | None = None
    size: int | None = None
    updated: datetime | None = None


@dataclass(frozen=True)
class ManifestInfo:
    """A manifest of a repository, as far as its registry recorded it when it was pushed.

    ``size`` is that of the manifest, ``content_size`` that of manifest, config and layers, each
    digest once; both in bytes. ``image`` is what the config says. ``pushed`` is when the manifest
    was last pushed, ``pushed_by`` the name of the caller who did. What is unknown is None.
    """

    digest: Digest
    media_type: str | None = None
    size: int | None = None
    artifact_type: str | None = None
    config_type: str | None = None
    content_size: int | None = None
    image: ImageConfig | None = None
    subject: Digest | None = None
    pushed: datetime | None = None
    pushed_by: str | None = None


Entry_co = TypeVar("Entry_co", covariant=True)


@dataclass(frozen=True)
class Listing(Generic[Entry_co]):
    """A page of a listing, and the query for the next one: None after the last."""

    entries: tuple[Entry_co, ...]
    next: PageQuery | None = None


class Reader(Protocol):
    """Blobs and manifests, read."""

    async def open_blob(self, repository: str, digest: Digest) -> Blob:
        """Return a blob of the repository, to be read.

        :raises BlobUnknown: the repository does not have it.
        """

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        """Return a blob's descriptor, for a client that goes on to rely on the blob.

        :raises BlobUnknown: the repository does not have it, or its content is gone or incomplete.
        """

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        """Return a manifest's descriptor: its media type, digest and size.

        :raises ManifestUnknown: the repository does not have it.
        """

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        """Return a manifest as it was pushed, not parsed yet.

        :raises ManifestUnknown: the repository does not have it, or its content is damaged.
        """


class Writer(Protocol):
    """Blobs and manifests, pushed."""

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        """Return a new, empty upload.

        :param algorithm: that of the final digest. If it turns out to be another one, finishing
            takes longer, because the content is read again.
        :raises NameInvalid: the repository's name is not valid.
        """

    async def get_upload(self, upload: Upload) -> Upload:
        """Return what has arrived, however old the given value is.

        :raises BlobUploadUnknown: the upload was finished or cancelled.
        :raises BlobUploadInvalid: its state is not one that this registry returned.
        """

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        """Add a piece: all of it, or, after an exception, nothing.

        :raises UploadOutOfOrder: the piece does not begin at the upload's offset.
        :raises SizeInvalid: it does not have the length that was announced, or there were too many.
        :raises BlobUploadUnknown: the upload was finished or cancelled.
        :raises BlobUploadInvalid: its state is not one that this registry returned.
        """

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        """Add a last piece, which may be empty, and make the whole a blob of the repository.

        :raises DigestInvalid: the content does not hash to the digest; the upload is cancelled.
        :raises UploadOutOfOrder, SizeInvalid, BlobUploadUnknown, BlobUploadInvalid: as for
            `append_upload`.
        """

    async def cancel_upload(self, upload: Upload) -> None:
        """Discard what arrived.

        :raises BlobUploadUnknown: the upload was finished or cancelled already.
        :raises BlobUploadInvalid: its state is not one that this registry returned.
        """

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        """Make a blob of ``source``, or, if that is None, of any repository, one of ``repository``.

        :raises BlobUnknown: the blob does not exist.
        :raises NameInvalid: the repository's name is not valid.
        """

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        """Store a manifest under its digest, and make ``tags`` point to it.

        :param precondition: what the first tag must point to before.

        :raises NameInvalid, TagInvalid: the repository's name or a tag is not valid.
        :raises ManifestInvalid: the manifest is malformed; never for one of `parse_manifest`.
        :raises ManifestBlobUnknown: the repository lacks blobs or manifests that it references.
        :raises Denied: a tag is immutable and points to another manifest (409).
        :raises PreconditionFailed: the precondition does not hold (412).
        """


class Stager(Protocol):
    """Blobs whose bytes go from the client straight to storage, and not through the registry."""

    async def open_staging(self, upload: Upload) -> Staging | None:
        """Return where the client can stage the blocks of an upload, and how.

        None where clients cannot write to storage by themselves: they append to the upload then.
        To call this again extends the time; what has been staged stays.

        :raises BlobUploadInvalid: the state is not one that this registry returned, or the upload
            has content already.
        """

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        """Make the staged blocks, from the first to number ``blocks``, a blob of the repository.

        The registry reads what was staged, to hash it. For a large one that may take several calls.

        :raises HashingUnfinished: the content is not hashed yet; the same call again goes on.
        :raises DigestInvalid: the content does not hash to the digest; the upload is cancelled.
        :raises SizeInvalid: ``blocks`` is not a valid number.
        :raises BlobUploadUnknown: blocks are missing, or the upload was finished or cancelled.
        """

    async def start_direct_upload(self, repository: str) -> DirectUpload | None:
        """Return a new direct upload; None where clients cannot write to storage by themselves.

        :raises NameInvalid: the repository's name is not valid.
        """

    async def claim_direct_uploads(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        """Make blobs of those of the caller's direct uploads that have one of the wanted digests.

        The registry reads them, to hash them. Returns the digests that were found, and those of
        other blobs that were made. Uploads of other callers are never looked at
        (`Registry.for_caller`).

        :param wanted: the sizes of the blobs by digest; None: not known. Then all uploads have to
            be hashed, and become blobs, so that the next call need not look at them again.
        :raises ClaimUnfinished: uploads that may be wanted are not hashed yet.
        """


class Deleter(Protocol):
    """Blobs, manifests and tags, deleted."""

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        """Remove a blob from the repository. Other repositories keep it.

        :raises BlobUnknown: the repository does not have it.
        :raises Denied: an immutable tag needs it (409).
        """

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletedManifest:
        """Remove a manifest from the repository, after the tags that point to it.

        :raises ManifestUnknown: the repository does not have it.
        :raises Unavailable: it was pushed again at the same time. Then it stays.
        :raises Denied: one of the tags is immutable, or an immutable tag needs the manifest (409);
            then nothing is deleted.
        """

    async def delete_tag(
        self, repository: str, tag: str, precondition: Precondition | None = None
    ) -> Digest | None:
        """Delete a tag, and return the digest that it pointed to, or None if its link was damaged.

        The manifest stays.

        :param precondition: what the tag must point to.
        :raises TagInvalid: the tag is not valid.
        :raises ManifestUnknown: the tag does not exist.
        :raises Denied: the tag is immutable (409).
        :raises PreconditionFailed: the precondition does not hold (412).
        """


class Lister(Protocol):
    """What there is, in pages.

    Every method raises `PaginationNumberInvalid` for a ``page.token`` that it did not return.
    """

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        """List tags in lexical order.

        :param details: fill in every field of `TagInfo`. Without them, the names cost one storage
            call for 5,000 tags; with them, a tag costs as many rows of a listing as it has links,
            and up to three calls where another registry wrote it. Therefore a page with details
            has 1,000 tags at most, also without ``page.n``.
        :raises NameUnknown: the repository does not exist.
        """

    async def list_manifests(self, repository: str, page: PageQuery) -> Listing[ManifestInfo]:
        """List the manifests of a repository, tagged or not, in the order of their digests.

        A page has 1,000 at most, also without ``page.n``. The manifests that another registry
        wrote are read one by one.

        :raises NameUnknown: the repository does not exist.
        """

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        """List the names of the repositories that have manifests, in lexical order.

        A page of ``page.n`` may be short, or empty, and not be the last: what it may cost is
        bounded.
        """

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        """List the manifests whose subject is ``subject``, in the order of their digests.

        Their descriptors include the artifact type and the annotations. Raises nothing where the
        subject or the repository is unknown: they have no referrers.

        :param artifact_type: if given, list only manifests of this type.
        """


class Registry(Reader, Writer, Stager, Deleter, Lister, Protocol):
    """A whole registry."""

    def for_caller(self, caller: str) -> Registry:
        """Return this registry for the requests of one caller, sharing everything else.

        :param caller: the caller's name, such as a user's; empty for an anonymous caller.
        """
