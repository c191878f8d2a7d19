"""Blobs: opened, read and mounted."""

from __future__ import annotations

from dataclasses import dataclass

from ..object_store.errors import NotFound, RangeNotSatisfiable
from ..object_store.interface import ObjectStore
from ..registry import Blob, Body
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import BlobUnknown
from .membership import Membership
from .ranged_reads import read_pieces

REDIRECT_MIN_SIZE = 64 * 2**10

_URL_SECONDS = 20 * 60


@dataclass(frozen=True)
class StoredBlob:
    """A blob in the object store, its content at ``path``.

    ``redirect``: whether clients may fetch it from storage themselves.
    """

    descriptor: Descriptor
    store: ObjectStore
    path: str
    redirect: bool

    async def url(self) -> str | None:
        """See `Blob`. No call, as a rule."""
        if not self.redirect:
            return None
        return await self.store.signed_url(self.path, seconds=_URL_SECONDS)

    async def read(self, offset: int, length: int) -> Body:
        """See `Blob`. One call for each 8 MiB."""
        size, digest = self.descriptor.size, self.descriptor.digest
        try:
            return await read_pieces(self.store, self.path, offset=offset, length=length, size=size)
        except (NotFound, RangeNotSatisfiable):
            raise BlobUnknown(
                f"the content of {digest} is missing or incomplete in storage"
            ) from None


@dataclass
class Blobs:
    """`Reader`'s blobs over the object store, and `Writer`'s mounts.

    ``redirect``: whether clients may fetch content from storage themselves. Blobs of up to
    ``redirect_min_size`` bytes are exempt: a redirect to so little takes the client a second
    request, and costs as much, because storage bills each read the same.
    """

    membership: Membership
    redirect: bool = True
    redirect_min_size: int = REDIRECT_MIN_SIZE

    async def open_blob(self, repository: str, digest: Digest) -> Blob:
        """See `Reader`. One call, none if cached."""
        try:
            found = await self.membership.find_blob(repository, digest)
        except NotFound:
            raise BlobUnknown(f"blob unknown to {repository}: {digest}") from None
        path = self.membership.layout.content(found.content)
        redirect = self.redirect and found.descriptor.size > self.redirect_min_size
        return StoredBlob(found.descriptor, self.membership.store, path, redirect)

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        """See `Reader`. Two calls, none if cached."""
        try:
            return (await self.membership.verify_blob(repository, digest)).descriptor
        except NotFound:
            raise BlobUnknown(f"blob unknown to {repository}: {digest}") from None

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        """See `Writer`. Three calls from a source, two if the content was observed lately.

        Two calls without a source. The content is observed in any case: somebody may have linked it
        in the source without that, and then it is about to be collected.
        """
        try:
            return await self._mount(repository, digest, source)
        except NotFound:
            raise BlobUnknown(f"blob unknown to {source or 'this registry'}: {digest}") from None

    async def _mount(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        observed = self.membership.clock()
        if source is None:
            size = await self.membership.observe_content(digest)
            return await self.membership.link_blob(repository, digest, size, observed=observed)
        # Another instance may have deleted it from the source: what is cached does not count.
        found = await self.membership.verify_blob(source, digest, generation="")
        if found.content != digest:  # nothing is stored under the digest that the link would name
            raise NotFound(str(digest))
        size = found.descriptor.size
        return await self.membership.link_blob(
            repository, digest, size, found.image, observed=observed
        )
