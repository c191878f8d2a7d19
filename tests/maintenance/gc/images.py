"""Images and artifacts in a scene, and what lets them go."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from registry_core.maintenance.retention.policy import RetentionPolicy
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, descriptor, image_manifest, push_blob

from .scene import LAYOUT, Scene

EXPIRING = RetentionPolicy.parse('[[expire]]\non = ["**"]\ntags = ["pr-*"]\nafter = "7d"\n')
UNTAGGED = timedelta(days=7)


async def push_image(scene: Scene, number: int, *tags: str, **fields: Any) -> bytes:
    """Push an image with a layer of its own, and return its manifest."""
    layer = b"layer %d" % number
    for content in (CONFIG, layer):
        await push_blob(scene.registry, "a", content)
    manifest = image_manifest(layer, **fields)
    await scene.push(manifest, *tags)
    return manifest


def artifact(subject: bytes, **fields: Any) -> bytes:
    """Return an artifact that belongs to a manifest: a signature, for example."""
    of = descriptor(subject, media_types.OCI_MANIFEST)
    return image_manifest(subject=of, artifactType="application/x", **fields)


async def push_artifact(scene: Scene, subject: bytes, *tags: str, **fields: Any) -> bytes:
    await push_blob(scene.registry, "a", CONFIG)
    manifest = artifact(subject, **fields)
    await scene.push(manifest, *tags)
    return manifest


def link_of(manifest: bytes) -> str:
    return LAYOUT.revision_link("a", Digest.of(manifest))


def attached(manifest: bytes, suffix: str = ".sig") -> str:
    """Return the tag by which cosign attaches something to a manifest."""
    return f"sha256-{Digest.of(manifest).hex}{suffix}"
