"""The manifests of a source, read and verified."""

from __future__ import annotations

from dataclasses import dataclass

from ..aio import off_loop
from ..caches import Cache
from ..registry import Reader
from ..spec import media_types
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import Reference
from ..spec.errors import BlobUnknown, ManifestInvalid, ManifestUnknown, NameUnknown
from ..spec.image_config import MAX_BYTES, ImageConfig, parse_image_config
from ..spec.manifest import Manifest
from .errors import SourceContentInvalid, SourceManifestInvalid, SourceManifestMissing
from .place import Place

_SCHEMA_1 = (media_types.DOCKER_SCHEMA_1, media_types.DOCKER_SCHEMA_1_SIGNED)


@dataclass(frozen=True)
class SourceManifests:
    """Reads manifests from a place, and believes only what their digests confirm."""

    place: Place[Reader]
    fetched: Cache[Digest, Manifest]

    async def resolve(self, reference: Reference) -> Descriptor:
        """Return the descriptor of a manifest.

        :raises SourceManifestMissing:
        :raises SourceManifestInvalid: it is of Docker's schema 1.
        """
        try:
            found = await self.place.registry.resolve_manifest(self.place.repository, reference)
        except (ManifestUnknown, NameUnknown) as error:
            raise SourceManifestMissing(self.place, reference, error) from error
        self._refuse_schema_1(found.media_type, reference)
        return found

    async def get(self, wanted: Descriptor) -> Manifest:
        """Return a manifest, verified and parsed. Its size may be another than ``wanted`` says.

        :raises SourceManifestMissing:
        :raises SourceContentInvalid: what it has does not have that digest.
        :raises SourceManifestInvalid: the manifest is not valid, or is of Docker's schema 1.
        """
        self._refuse_schema_1(wanted.media_type, wanted.digest)
        return self.fetched.get(wanted.digest) or await self._fetch(wanted.digest)

    async def _fetch(self, digest: Digest) -> Manifest:
        try:
            found = await self.place.registry.get_manifest(self.place.repository, digest)
        except (ManifestUnknown, NameUnknown) as error:
            raise SourceManifestMissing(self.place, digest, error) from error
        actual = await off_loop(len(found.content), Digest.of, found.content, digest.algorithm)
        if actual != digest:
            raise SourceContentInvalid(
                f"{self.place} answers content with the digest {actual} for the manifest "
                f"{digest}; the source is damaged: push the manifest there again"
            )
        try:
            await off_loop(len(found.content), lambda: found.document)
        except ManifestInvalid as error:
            raise SourceManifestInvalid(
                f"the manifest {digest} of {self.place} cannot be copied: {error}"
            ) from error
        self.fetched.put(digest, found)
        return found

    async def platform_config(self, image: Manifest) -> ImageConfig | None:
        """Return the config of an image; None if it has none that says what platform it is for."""
        config = image.document.config
        if config is None or not 0 < config.size <= MAX_BYTES:
            return None
        try:
            blob = await self.place.registry.open_blob(self.place.repository, config.digest)
            body = await blob.read(0, blob.descriptor.size)
        except (BlobUnknown, NameUnknown):
            return None  # copying it will say so
        content = bytearray()
        async for piece in body:
            content += piece
            if len(content) > MAX_BYTES:
                return None
        return parse_image_config(content)

    def _refuse_schema_1(self, media_type: str, reference: Reference) -> None:
        if media_type in _SCHEMA_1:
            raise SourceManifestInvalid(
                f"the manifest {reference} of {self.place} is of Docker's schema 1, which is not "
                "supported; pull the image with an old docker, and push it again"
            )
