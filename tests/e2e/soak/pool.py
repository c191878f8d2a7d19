"""The content that all clients push, delete and push again: a few layers in many images."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.e2e.images import LayoutImage
from tests.support.content import descriptor

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_REF_NAME = "org.opencontainers.image.ref.name"
_SIZES = (500, 500, 3_000, 3_000, 70_000, 70_000, 300_000, 1 << 20, 9 << 20)
"""The bytes of the layers. The last takes more than one block of storage."""
_IMAGES = ((0, 1), (0, 2), (1, 2, 4), (3,), (3, 5), (4, 6), (5, 0), (6, 7), (2, 7), (1, 8))
"""The images, by the numbers of their layers."""


@dataclass(frozen=True)
class Image:
    """An image: its layers, and the config that describes them."""

    layers: tuple[bytes, ...]

    @cached_property
    def config(self) -> bytes:
        diff_ids = [str(Digest.of(layer)) for layer in self.layers]
        document = {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": ["/noise"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "noise"}] * len(diff_ids),
        }
        return json.dumps(document).encode()

    @property
    def blobs(self) -> tuple[bytes, ...]:
        return (self.config, *self.layers)

    def manifest(self, **annotations: str) -> bytes:
        """Return the image's manifest; other annotations make another manifest."""
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": descriptor(self.config, media_types.OCI_CONFIG),
            "layers": [descriptor(layer, _LAYER) for layer in self.layers],
            **({"annotations": annotations} if annotations else {}),
        }
        return json.dumps(document).encode()


def make_images(seed: int) -> tuple[Image, ...]:
    """Return images that share layers: each layer is in two of them or more, but for the large."""
    layers = [_tar(size, seed * 100 + number) for number, size in enumerate(_SIZES)]
    return tuple(Image(tuple(layers[number] for number in numbers)) for numbers in _IMAGES)


def _tar(size: int, seed: int) -> bytes:
    """Return a layer with one file of noise."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo(f"noise-{seed}")
        info.size = size
        archive.addfile(info, io.BytesIO(random.Random(seed).randbytes(size)))
    return file.getvalue()


def write_layout(folder: Path, image: Image) -> LayoutImage:
    """Write an image to an OCI image layout in the new ``folder``."""
    _begin_layout(folder)
    return _finish_layout(folder, _add_image(folder, image), media_types.OCI_MANIFEST)


def write_index_layout(folder: Path, images: Sequence[Image]) -> LayoutImage:
    """Write an index of images, each for another architecture, to an OCI image layout."""
    _begin_layout(folder)
    children = [
        descriptor(_add_image(folder, image), media_types.OCI_MANIFEST)
        | {"platform": {"os": "linux", "architecture": architecture}}
        for image, architecture in zip(images, ("amd64", "arm64", "riscv64"), strict=False)
    ]
    index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": children}
    content = json.dumps(index).encode()
    _add(folder, content)
    return _finish_layout(folder, content, media_types.OCI_INDEX)


def _begin_layout(folder: Path) -> None:
    (folder / "blobs/sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _finish_layout(folder: Path, manifest: bytes, media_type: str) -> LayoutImage:
    tagged = descriptor(manifest, media_type) | {"annotations": {_REF_NAME: "noise"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [tagged]}))
    return LayoutImage(folder, "noise")


def _add_image(folder: Path, image: Image) -> bytes:
    manifest = image.manifest()
    for content in (*image.blobs, manifest):
        _add(folder, content)
    return manifest


def _add(folder: Path, content: bytes) -> None:
    (folder / "blobs/sha256" / Digest.of(content).hex).write_bytes(content)
