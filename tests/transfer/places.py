"""Places to copy from and to, over memory, and wrappers that watch or disturb them."""

from __future__ import annotations

import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from registry_core.object_store.interface import list_all
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Chunk, Listing, PushedManifest, Registry, Upload
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import SHA256, Digest
from registry_core.spec.endpoints import PageQuery, Reference
from registry_core.spec.errors import ManifestUnknown
from registry_core.spec.manifest import Manifest
from registry_core.spec.preconditions import Precondition
from registry_core.spec.references import fallback_tag
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.transfer.place import Place
from registry_core.wrappers import Delegating
from tests.support.content import (
    CONFIG,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_manifest,
)

T = TypeVar("T")

SOURCE, TARGET = "source.example", "target.example"

WRITES = {"start_upload", "finish_upload", "mount_blob", "push_manifest", "cancel_upload"}


def stored(**settings: Any) -> StoredRegistry:
    """Return a new registry over memory."""
    return StoredRegistry(MemoryStore(), **settings)


async def left_behind(registry: StoredRegistry) -> list[str]:
    """Return the paths of the uploads that nobody has finished or cancelled."""
    store = registry.deletions.membership.store
    return [entry.path async for entry in list_all(store, "docker/registry/v2/_uploads/")]


@dataclass
class Watched(Delegating):
    """Notes the calls that it passes on."""

    inner: Registry
    calls: list[tuple[str, object]] = field(default_factory=list)

    async def perform(self, name: str, about: object, call: Coroutine[Any, Any, T]) -> T:
        """Pass a call on. Overridden, it fails before the call is performed, or after."""
        self.calls.append((name, about))
        return await call

    def called(self, *names: str) -> list[object]:
        """Return what the calls of these methods were about, in order."""
        return [about for name, about in self.calls if name in names]

    @property
    def writes(self) -> list[tuple[str, object]]:
        return [call for call in self.calls if call[0] in WRITES]

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        return await self.perform("resolve_blob", digest, super().resolve_blob(repository, digest))

    async def open_blob(self, repository: str, digest: Digest) -> Any:
        return await self.perform("open_blob", digest, super().open_blob(repository, digest))

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        return await self.perform(
            "resolve_manifest", reference, super().resolve_manifest(repository, reference)
        )

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        return await self.perform(
            "get_manifest", reference, super().get_manifest(repository, reference)
        )

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        return await self.perform(
            "list_referrers",
            subject,
            super().list_referrers(repository, subject, artifact_type, page),
        )

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        return await self.perform(
            "start_upload", repository, super().start_upload(repository, algorithm)
        )

    async def cancel_upload(self, upload: Upload) -> None:
        await self.perform("cancel_upload", upload.repository, super().cancel_upload(upload))

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        return await self.perform(
            "finish_upload", digest, super().finish_upload(upload, digest, chunk)
        )

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        return await self.perform(
            "mount_blob", (digest, source), super().mount_blob(repository, digest, source)
        )

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        return await self.perform(
            "push_manifest",
            (manifest.digest, tuple(tags)),
            super().push_manifest(repository, manifest, tags, precondition),
        )


class WithoutReferrers(Watched):
    """A registry without the referrers API, such as distribution 2.8, as a client shows it."""

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        pushed = await super().push_manifest(repository, manifest, tags)  # it ignores conditions
        return PushedManifest(pushed.descriptor)

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        try:
            index = await self.inner.get_manifest(repository, fallback_tag(subject))
        except ManifestUnknown:
            return Listing(())
        return Listing(tuple(map(Descriptor.of_json, json.loads(index.content)["manifests"])))


@dataclass
class Shelf:
    """A source with a watched registry and a target with another one."""

    source: Watched = field(default_factory=lambda: Watched(stored()))
    target: Watched = field(default_factory=lambda: Watched(stored()))

    @property
    def here(self) -> Place[Watched]:
        return Place(self.source, "app", SOURCE)

    @property
    def there(self) -> Place[Watched]:
        return Place(self.target, "copy/app", TARGET)

    @property
    def kept(self) -> StoredRegistry:
        """The registry of the target."""
        assert isinstance(self.target.inner, StoredRegistry)
        return self.target.inner


def child(manifest: bytes, platform: str = "", **fields: object) -> dict[str, object]:
    """Return what an index lists of a manifest, for a platform such as ``linux/arm/v7``."""
    described = descriptor(manifest, str(json.loads(manifest)["mediaType"])) | fields
    if platform:
        parts = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
        described["platform"] = parts
    return described


def attestation(image: bytes) -> dict[str, object]:
    """Return what an index lists of the attestation of an image, as BuildKit does."""
    annotations = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": str(Digest.of(image)),
    }
    return child(attestation_of(image), "unknown/unknown", annotations=annotations)


def attestation_of(image: bytes) -> bytes:
    return image_manifest(b"attests " + image[-200:])


def layer_of(platform: str) -> bytes:
    return f"the layer of {platform}".encode()


def image_for(platform: str) -> bytes:
    return image_manifest(b"a shared layer", layer_of(platform))


def index_of(*platforms: str, attested: bool = False) -> bytes:
    """Return an index of images with a shared layer, and their attestations."""
    images = {platform: image_for(platform) for platform in platforms}
    children = [child(image, platform) for platform, image in images.items()]
    if attested:
        children += [attestation(image) for image in images.values()]
    return image_index(manifests=children)


async def push_index(
    registry: Registry, *platforms: str, tag: str = "v1", attested: bool = False
) -> bytes:
    """Push an index with all that it lists, and return it."""
    await push_layers(registry, b"a shared layer", *map(layer_of, platforms))
    for platform in platforms:
        image = image_for(platform)
        await push_manifest(registry, "app", Digest.of(image), image)
        if attested:
            attests = attestation_of(image)
            await push_layers(registry, b"attests " + image[-200:])
            await push_manifest(registry, "app", Digest.of(attests), attests)
    index = index_of(*platforms, attested=attested)
    await push_manifest(registry, "app", tag, index)
    return index


async def push_layers(registry: Registry, *layers: bytes, repository: str = "app") -> None:
    for content in (CONFIG, *layers):
        await push_blob(registry, repository, content)


async def push_referrer(
    registry: Registry, subject: bytes, name: str, repository: str = "app", **fields: object
) -> bytes:
    """Push a manifest whose subject is another one, and return it."""
    content = image_manifest(
        name.encode(),
        artifactType="application/vnd.example.signature",
        subject=descriptor(subject, str(json.loads(subject).get("mediaType"))),
        **fields,
    )
    await push_layers(registry, name.encode(), repository=repository)
    await push_manifest(registry, repository, Digest.of(content), content)
    return content


async def push_image_of(registry: Registry, *layers: bytes, tag: str = "v1") -> bytes:
    """Push an image and return its manifest."""
    await push_layers(registry, *layers)
    manifest = image_manifest(*layers)
    await push_manifest(registry, "app", tag, manifest)
    return manifest


async def has_manifest(registry: Registry, content: bytes, repository: str = "copy/app") -> bool:
    """Return whether a registry has a manifest, byte for byte, with the same media type."""
    try:
        found = await registry.get_manifest(repository, Digest.of(content))
    except ManifestUnknown:
        return False
    return found.content == content and found.media_type == json.loads(content).get(
        "mediaType", media_types.OCI_MANIFEST
    )


async def tags_of(registry: Registry, repository: str = "copy/app") -> list[str]:
    listing = await registry.list_tags(repository, PageQuery())
    return [tag.name for tag in listing.entries]
