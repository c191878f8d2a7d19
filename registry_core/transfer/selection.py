"""Which manifests of an image index are copied for some platforms.

One platform: the manifest for it, alone, as by ``docker pull --platform``. Several: the index, of
which only the manifests for them are copied (a sparse index), so that its digest stays. An
attestation goes with the image that it attests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..aio import for_each, off_loop
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.image_config import ImageConfig
from ..spec.media_types import IMAGE_MANIFESTS, INDEXES
from .errors import PlatformMissing, SourceManifestInvalid
from .manifests import SourceManifests
from .platforms import IndexEntry, Platform, best, index_entries

MAX_DEPTH = 8
"""How deep indexes may lie in one another."""
_AT_ONCE = 8

Chosen = Mapping[Digest, frozenset[Digest]]
"""What to copy of an index, by its digest. All of an index that is not there."""


@dataclass(frozen=True)
class Selection:
    """The manifest to copy, and what of the indexes below it."""

    root: Descriptor
    chosen: Chosen = field(default_factory=dict)


async def select(
    source: SourceManifests, root: Descriptor, platforms: Sequence[Platform]
) -> Selection:
    """Choose what to copy of a manifest for some platforms; everything if there are none.

    :raises PlatformMissing: there is nothing for one of them; the message says what there is.
    """
    if not platforms:
        return Selection(root)
    if root.media_type not in INDEXES:
        await _check_image(source, root, platforms)
        return Selection(root)
    tree = _Tree(source)
    await tree.read(root)
    if len(platforms) == 1:
        return Selection(tree.find(platforms[0])[0].descriptor)
    found = [entry for platform in platforms for entry in tree.find(platform)]
    return Selection(root, tree.choose(found))


async def _check_image(
    source: SourceManifests, root: Descriptor, platforms: Sequence[Platform]
) -> None:
    """Refuse an image that is for none of the platforms. What does not say so, is copied."""
    actual = await _image_platform(source, root)
    if actual is None or any(each.distance(actual) is not None for each in platforms):
        return
    wanted = ", ".join(map(str, platforms))
    raise PlatformMissing(
        f"the manifest {root.digest} of {source.place} is for {actual}, not for {wanted}"
    )


async def _image_platform(source: SourceManifests, image: Descriptor) -> Platform | None:
    if image.media_type not in IMAGE_MANIFESTS:
        return None
    config: ImageConfig | None = await source.platform_config(await source.get(image))
    if config is None or not (config.os and config.architecture):
        return None
    return Platform(config.os, config.architecture, config.variant or "")


class _Tree:
    """An index and those below it, and the images that they list."""

    def __init__(self, source: SourceManifests) -> None:
        self._source = source
        self._root: Descriptor | None = None
        self._images: list[IndexEntry] = []
        self._attestations: dict[Digest, set[Digest]] = defaultdict(set)
        # By digest, the indexes that list it.
        self._parents: dict[Digest, set[Digest]] = defaultdict(set)
        self._indexes: set[Digest] = set()

    async def read(self, index: Descriptor, depth: int = 1) -> None:
        """Read an index and those below it.

        :raises SourceManifestInvalid: they lie too deep in one another.
        """
        self._root = self._root or index
        if depth > MAX_DEPTH:
            raise SourceManifestInvalid(
                f"the index {self._root.digest} of {self._source.place} has indexes more than "
                f"{MAX_DEPTH} deep"
            )
        if index.digest in self._indexes:
            return
        self._indexes.add(index.digest)
        manifest = await self._source.get(index)
        entries = await off_loop(len(manifest.content), index_entries, manifest)
        for entry in entries:
            self._parents[entry.descriptor.digest].add(index.digest)
            if entry.attests is not None:
                self._attestations[entry.attests].add(entry.descriptor.digest)
        images = [entry for entry in entries if entry.attests is None]
        self._images += await for_each(images, self._with_platform, limit=_AT_ONCE)
        for entry in entries:
            if entry.platform is None and entry.descriptor.media_type in INDEXES:
                await self.read(entry.descriptor, depth + 1)

    async def _with_platform(self, entry: IndexEntry) -> IndexEntry:
        """Return an entry with the platform of its image, where the index does not say it."""
        if entry.platform is not None:
            return entry
        return IndexEntry(entry.descriptor, await _image_platform(self._source, entry.descriptor))

    def find(self, platform: Platform) -> tuple[IndexEntry, ...]:
        """Return what serves a platform best.

        :raises PlatformMissing:
        """
        found = best(platform, self._images)
        if found:
            return found
        assert self._root is not None
        offered = sorted({str(entry.platform) for entry in self._images if entry.platform})
        raise PlatformMissing(
            f"the index {self._root.digest} of {self._source.place} has nothing for {platform}; it "
            f"has {', '.join(offered) or 'no platforms'}"
        )

    def choose(self, images: Sequence[IndexEntry]) -> Chosen:
        """Return what to copy of each index: images, their attestations, and what lists these."""
        chosen: dict[Digest, set[Digest]] = {digest: set() for digest in self._indexes}
        wanted = {entry.descriptor.digest for entry in images}
        for digest in tuple(wanted):
            wanted |= self._attestations[digest]
        seen: set[Digest] = set()
        while wanted:
            digest = wanted.pop()
            seen.add(digest)
            for parent in self._parents[digest]:
                chosen[parent].add(digest)
                wanted |= {parent} - seen
        return {digest: frozenset(children) for digest, children in chosen.items()}
