"""The references of a manifest that is pushed: they are there before anything is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from ..aio import both, for_each, off_loop
from ..object_store.errors import NotFound
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import ManifestBlobUnknown, ManifestInvalid
from ..spec.foreign_urls import NO_URLS, ForeignUrls
from ..spec.image_config import ImageConfig
from ..spec.manifest import Manifest
from ..spec.media_types import IMAGE_CONFIGS, MANIFESTS
from .catalog import Catalog
from .membership import Membership

MAX_REFERENCES = 1000
"""The most references of one manifest, by default. Each costs up to two storage calls, a blob that
an index lists as a manifest three."""

# How many references of one manifest are looked up at the same time.
_AT_ONCE = 32
# Names of digests cost whoever makes them up nothing, and looking each of them up costs calls.
_MOST_MISSING = 50


@dataclass(frozen=True)
class _Reference:
    """``in_index``: an index lists it, as a manifest or, in BuildKit's caches, as a blob."""

    digest: Digest
    in_index: bool = False
    is_manifest: bool = False


@dataclass
class References:
    """Checks what manifests reference.

    ``require_blobs`` and ``require_children``: whether blobs, and what an index lists, must be in
    the repository. ``most``: the most references of a manifest. ``foreign_urls``: where else their
    ``urls`` may send clients; None: anywhere.
    """

    membership: Membership
    catalog: Catalog
    require_blobs: bool = True
    require_children: bool = True
    most: int = MAX_REFERENCES
    foreign_urls: ForeignUrls | None = NO_URLS

    async def check(
        self, repository: str, manifest: Manifest, *, fresh: bool = False
    ) -> tuple[str | None, ImageConfig | None]:
        """Check what a manifest references, and that its content is there: all is observed.

        One call for each reference that was not found in the repository's present generation by
        this instance, one more for each whose content it has not seen, and one for the generation.

        Returns the generation, None if the repository has no marker, and what the config says if it
        is that of an image.

        :param fresh: look everything up again.
        :raises ManifestInvalid: the manifest is not valid, has too many references, or sends
            clients where it may not.
        :raises ManifestBlobUnknown: some are missing.
        """
        references = await off_loop(len(manifest.content), self._required, manifest)
        cached = "" if fresh else self.membership.generations.get(repository) or ""
        generation, found = await both(
            self.catalog.generation(repository), self._find(repository, references, cached)
        )
        if cached and generation != cached:  # something was deleted since it was looked up
            found = await self._find(repository, references, generation or "")
        config = manifest.document.config
        is_image = config is not None and config.media_type in IMAGE_CONFIGS
        return generation, found.get(config.digest) if config and is_image else None

    async def check_acceptable(self, manifest: Manifest) -> None:
        """Check what can be checked without looking at what a manifest references. No call.

        :raises ManifestInvalid: as for `check`.
        """
        await off_loop(len(manifest.content), self._required, manifest)

    def _required(self, manifest: Manifest) -> Sequence[_Reference]:
        """Return each reference that must be there once."""
        document = manifest.document
        count = len({each.digest for each in (*document.blobs, *document.manifests)})
        if count > self.most:
            raise ManifestInvalid(
                f"the manifest references {count} blobs and manifests; at most {self.most} are "
                "accepted"
            )
        if self.foreign_urls is not None:
            self.foreign_urls.check(document)
        blobs = document.required_blobs if self.require_blobs else ()
        children = document.manifests if self.require_children else ()
        return [
            *(_Reference(each.digest) for each in _unique(blobs)),
            *(
                _Reference(each.digest, True, each.media_type in MANIFESTS)
                for each in _unique(children)
            ),
        ]

    async def _find(
        self, repository: str, references: Sequence[_Reference], generation: str
    ) -> dict[Digest, ImageConfig | None]:
        """Return what those references say that are image configs.

        :raises ManifestBlobUnknown: some are missing. Once many are, no further one is looked up.
        """
        missing: set[Digest] = set()

        async def blob(digest: Digest) -> ImageConfig | None:
            return (await self.membership.verify_blob(repository, digest, generation)).image

        async def manifest(digest: Digest) -> None:
            await self.membership.verify_manifest(repository, digest, generation)

        async def find(each: _Reference) -> tuple[Digest, ImageConfig | None] | None:
            if len(missing) >= _MOST_MISSING:
                return None
            kinds: list[Callable[[Digest], Awaitable[ImageConfig | None]]] = [blob]
            if each.in_index:
                kinds = [manifest, blob] if each.is_manifest else [blob, manifest]
            for kind in kinds:
                try:
                    return each.digest, await kind(each.digest)
                except NotFound:
                    continue
            missing.add(each.digest)
            return None

        found = await for_each(references, find, limit=_AT_ONCE)
        if missing:
            detail = [str(each.digest) for each in references if each.digest in missing]
            raise ManifestBlobUnknown(detail=detail)
        return dict(each for each in found if each)


def _unique(descriptors: Iterable[Descriptor]) -> Iterable[Descriptor]:
    return {descriptor.digest: descriptor for descriptor in descriptors}.values()
