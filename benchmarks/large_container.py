"""A large container as the registry writes it, made without pushing.

Its links have the metadata of pushed ones, so that the registry and its maintenance read it as any
other container.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry_core.aio import for_each
from registry_core.object_store.interface import ObjectStore
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.image_config import ImageConfig
from registry_core.spec.manifest import Manifest, parse_manifest
from registry_core.spec.media_types import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, OCTET_STREAM
from registry_core.spec.referrers import describe_referrer
from registry_core.storage.layout import Layout
from registry_core.storage.link_metadata import (
    image_metadata,
    referrer_link,
    revision_link,
    tag_link,
)
from registry_core.storage.links import Link

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_SIGNATURE = "application/vnd.example.signature"
_PLATFORM = ImageConfig(os="linux", architecture="amd64")
_PUSHED = 1_764_000_000
_AT_ONCE = 16


@dataclass(frozen=True)
class Shape:
    """What a container has.

    Of the ``blobs``, a share ``garbage`` is in no manifest: every second one of these has no link
    either, the others are still linked by their repository. All images of a repository have
    ``base_layers`` in common, one of them with the repository before; each has ``own_blobs``
    besides, a config among them. Every fourth image is in an index, with the one before, and every
    tenth has a signature, which refers to it.
    """

    repositories: int = 200
    blobs: int = 100_000
    garbage: float = 0.2
    base_layers: int = 4
    own_blobs: int = 9

    @property
    def blobs_each(self) -> int:
        """The blobs of a repository."""
        return self.blobs // self.repositories

    @property
    def garbage_each(self) -> int:
        """The blobs of a repository that are in no manifest."""
        return round(self.blobs_each * self.garbage)

    @property
    def images_each(self) -> int:
        """The images of a repository."""
        wanted = self.blobs_each - self.garbage_each
        return (wanted - self.base_layers) // self.own_blobs

    @property
    def garbage_blobs(self) -> int:
        """The blobs in no manifest."""
        return self.garbage_each * self.repositories

    @property
    def linked_garbage(self) -> int:
        """Those of them that a repository links."""
        return self.garbage_blobs - self.garbage_each // 2 * self.repositories


@dataclass(frozen=True)
class WrittenObject:
    """An object to write."""

    path: str
    content: bytes
    metadata: Mapping[str, str]


def objects_of(shape: Shape, layout: Layout) -> Iterator[WrittenObject]:
    """Yield every object of a container, in the order in which a registry would write them."""
    for number in range(shape.repositories):
        yield from _Repository(shape, layout, number).objects()


async def fill(store: ObjectStore, shape: Shape, layout: Layout) -> int:
    """Write every object of a container. Returns their number. One call for each."""

    async def put(written: WrittenObject) -> None:
        await store.put(written.path, written.content, metadata=written.metadata)

    return len(await for_each(objects_of(shape, layout), put, limit=_AT_ONCE))


@dataclass(frozen=True)
class _Repository:
    shape: Shape
    layout: Layout
    number: int

    @property
    def name(self) -> str:
        return f"team-{self.number % 10}/service-{self.number}"

    def objects(self) -> Iterator[WrittenObject]:
        base = [self._layer(self.number, f"base {index}") for index in range(self._bases)]
        if self.number and base:  # shared with the repository before
            base[0] = self._layer(self.number - 1, f"base {self._bases - 1}")
        for content in base:
            yield from self._blob(content)
        images: list[Manifest] = []
        for index in range(self.shape.images_each):
            manifest, blobs = self._image(index, base)
            images.append(manifest)
            yield from blobs
            yield from self._manifest(manifest, f"v{index}")
            if index % 4 == 3:
                yield from self._manifest(_index(images[-2:]), f"multi-{index}")
            if index % 10 == 9:
                yield from self._signature(manifest)
        for index in range(self.shape.garbage_each):
            content = self._layer(self.number, f"garbage {index}")
            yield from self._blob(content) if index % 2 == 0 else self._content(content)
        yield WrittenObject(self.layout.catalog_marker(self.name), b"", {})

    @property
    def _bases(self) -> int:
        return self.shape.base_layers

    def _layer(self, repository: int, what: str) -> bytes:
        return f"repository {repository}, {what}".encode()

    def _image(self, index: int, base: Sequence[bytes]) -> tuple[Manifest, Sequence[WrittenObject]]:
        own = [
            self._layer(self.number, f"image {index}, layer {layer}")
            for layer in range(self.shape.own_blobs - 1)
        ]
        history = [{"comment": f"image {index} of {self.name}"}]
        config = json.dumps({"os": "linux", "architecture": "amd64", "history": history}).encode()
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor(config, OCI_CONFIG),
            "layers": [_descriptor(layer, _LAYER) for layer in (*base, *own)],
        }
        blobs = [written for content in own for written in self._blob(content)]
        blobs += self._blob(config, _PLATFORM)
        return parse_manifest(json.dumps(document).encode()), blobs

    def _signature(self, subject: Manifest) -> Iterator[WrittenObject]:
        payload = f"signature of {subject.descriptor.digest}".encode()
        yield from self._blob(payload)
        yield from self._blob(b"{}")
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": _SIGNATURE,
            "config": _descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [_descriptor(payload, _SIGNATURE)],
            "subject": _descriptor(subject.content, OCI_MANIFEST),
        }
        yield from self._manifest(parse_manifest(json.dumps(document).encode()))

    def _content(self, content: bytes) -> Iterator[WrittenObject]:
        yield WrittenObject(self.layout.content(Digest.of(content)), content, {})

    def _blob(self, content: bytes, image: ImageConfig | None = None) -> Iterator[WrittenObject]:
        yield from self._content(content)
        described = Descriptor(OCTET_STREAM, Digest.of(content), len(content))
        path = self.layout.blob_link(self.name, described.digest)
        yield _link(path, Link.to(described, image_metadata(image)))

    def _manifest(self, manifest: Manifest, tag: str = "") -> Iterator[WrittenObject]:
        layout, digest, subject = self.layout, manifest.descriptor.digest, manifest.document.subject
        yield from self._content(manifest.content)
        image = _PLATFORM if manifest.document.config else None
        link = revision_link(manifest, image, pushed=_PUSHED, pushed_by="benchmark")
        yield _link(layout.revision_link(self.name, digest), link)
        if subject:
            entry = layout.referrer_link(self.name, subject.digest, digest)
            yield _link(entry, referrer_link(describe_referrer(manifest)))
        if tag:
            link = tag_link(manifest.descriptor, _PUSHED)
            yield _link(layout.tag_index_link(self.name, tag, digest), link)
            yield _link(layout.tag_link(self.name, tag), link)


def _index(images: Sequence[Manifest]) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [_descriptor(image.content, OCI_MANIFEST) for image in images],
    }
    return parse_manifest(json.dumps(document).encode())


def _descriptor(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def _link(path: str, link: Link) -> WrittenObject:
    return WrittenObject(path, link.content, link.metadata)
