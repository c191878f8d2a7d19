"""What makes a copy fail, besides what registries refuse."""

from __future__ import annotations

from ..spec.endpoints import Reference
from ..spec.errors import DigestInvalid, ManifestBlobUnknown, ManifestInvalid, ManifestUnknown


class SourceManifestMissing(ManifestUnknown):
    """The source does not have a manifest; ``reference`` says which one."""

    def __init__(self, place: object, reference: Reference) -> None:
        super().__init__(f"{place} does not have the manifest {reference}")
        self.reference = reference


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
