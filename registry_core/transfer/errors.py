"""What makes a copy fail, besides what registries refuse."""

from __future__ import annotations

from ..spec.digest import Digest
from ..spec.endpoints import Reference
from ..spec.errors import (
    BlobUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    RegistryError,
)


class SourceManifestMissing(ManifestUnknown):
    """The source does not have a manifest; ``reference`` says which one."""

    def __init__(self, place: object, reference: Reference, cause: RegistryError) -> None:
        super().__init__(f"{place} does not have the manifest {reference}{_because(cause)}")
        self.reference = reference


class SourceBlobMissing(BlobUnknown):
    """The source does not have a blob."""

    def __init__(self, place: object, digest: Digest, cause: RegistryError) -> None:
        super().__init__(f"{place} does not have the blob {digest}{_because(cause)}")


def _because(cause: RegistryError) -> str:
    """Return what the source says about it, in brackets: it may be there, and damaged."""
    return f" ({cause.message})" if cause.message else ""


class SourceContentInvalid(DigestInvalid):
    """The source's content does not have the digest or the size by which it is named."""


class SourceManifestInvalid(ManifestInvalid):
    """A manifest of the source cannot be copied: it is malformed, or of an unsupported format."""


class PlatformMissing(ManifestUnknown):
    """The source has nothing for a platform that was asked for."""


class SparseIndexRefused(ManifestBlobUnknown):
    """The target does not accept an index of which only some platforms are copied."""


class NotFetched(ManifestBlobUnknown):
    """The target's storage cannot fetch a blob, and its bytes are not to pass through here."""


class PlaceInaccessible(RegistryError):
    """A place cannot be accessed as it was described, by an unreadable certificate for example."""
