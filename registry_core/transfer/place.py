"""Where manifests are copied from and to: a repository of a registry, a layout or an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ..registry import Listing, Reader, Stager, TagInfo, Writer
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery


class ReferrersLister(Protocol):
    """Lists referrers."""

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        """See `registry.Lister`."""


class Source(Reader, ReferrersLister, Protocol):
    """What is copied from: a `Reader` that lists tags and referrers."""

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        """See `registry.Lister`."""


class Target(Reader, Writer, Stager, ReferrersLister, Protocol):
    """What is copied to: a `Reader`, to find what is there, and a `Writer`.

    Where ``push_manifest`` returns None as the subject of a manifest that names one, the target
    keeps no list of its referrers, and the copy keeps the list itself, under the fallback tag.
    Source: OCI distribution-spec, "Pushing Manifests with Subject".
    """


Registry_co = TypeVar("Registry_co", covariant=True)


@dataclass(frozen=True)
class Place(Generic[Registry_co]):
    """A repository of a registry, or what a layout or an archive has in its place.

    ``authority`` names the registry: two places of the same authority are in the same one, so that
    blobs are mounted instead of copied. ``keeps_whole``: a manifest that is there has everything it
    references, so that none of it is looked for; except where an index is copied for some platforms
    only. That is so where everybody pushes to a registry that verifies references, and it saves a
    repeated copy all requests but two.
    """

    registry: Registry_co
    repository: str
    authority: str
    keeps_whole: bool = False

    def __str__(self) -> str:
        return "/".join(filter(None, (self.authority, self.repository)))
