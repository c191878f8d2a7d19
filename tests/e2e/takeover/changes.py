"""Pushes and deletions after the takeover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from registry_core.spec.digest import SHA512, Digest
from tests.e2e.clients import ImageClient, Pulled
from tests.e2e.images import PLATFORM_LAYERS
from tests.e2e.takeover.contents import (
    AMD64,
    Images,
    Named,
    delete,
    pull_all,
    push_blob,
    push_manifest,
    signature_of,
)
from tests.support.content import CONFIG, image_manifest

OUR_LAYER = b"a layer that was pushed by its sha512"


@dataclass(frozen=True)
class Changed:
    """The expected content of the changed repositories.

    ``repositories`` are the new ones, ``gone`` the deleted references with their repositories.
    ``signature`` is the digest of another manifest whose subject is changed/signed:v1, ``sha512``
    that of one pushed by it.
    """

    pulled: Mapping[Named, Pulled]
    repositories: tuple[str, ...]
    tags: Mapping[str, list[str]]
    gone: tuple[tuple[str, str], ...]
    signature: Digest
    sha512: Digest


def change(authority: str, skopeo: ImageClient, images: Images) -> Changed:
    """Push to the registry and delete from it."""
    old, new = images.old, images.new
    for image, reference in (
        (new, "changed/app:moved"),
        (old, "changed/app:again"),
        (images.platforms, "changed/platforms:latest"),
        (images.platforms, "changed/app:platforms"),
        (new, "changed/app/child:v1"),
        (new, "changed/deleted:back"),
        (old, "changed/blobs:v1"),
    ):
        skopeo.push(image, f"{authority}/{reference}")
    delete(authority, "changed/app", "dropped")
    skopeo.push(old, f"{authority}/changed/twice:first")
    skopeo.push(old, f"{authority}/changed/twice:second")
    delete(authority, "changed/twice", old.digest)
    signature = signature_of(old, by="us")
    push_manifest(authority, "changed/signed", Digest.of(signature), signature)
    return Changed(
        pulled=pull_all(skopeo, authority, _REFERENCES),
        repositories=("changed/app/child", "changed/twice", "changed/sha512"),
        tags={
            "changed/app": ["again", "first", "moved", "platforms", "second"],
            "changed/platforms": ["latest"],
            "changed/app/child": ["v1"],
            "changed/deleted": ["back"],
            "changed/blobs": ["v1"],
        },
        gone=(
            ("changed/app", "dropped"),
            ("changed/twice", "first"),
            ("changed/twice", "second"),
            ("changed/twice", old.digest),
        ),
        signature=Digest.of(signature),
        sha512=push_by_sha512(authority, "changed/sha512"),
    )


_REFERENCES: list[Named] = [
    *((f"changed/app:{tag}", AMD64) for tag in ("moved", "again", "first", "second")),
    *(("changed/app:platforms", platform) for platform in PLATFORM_LAYERS),
    *(("changed/platforms:latest", platform) for platform in PLATFORM_LAYERS),
    ("changed/app/child:v1", AMD64),
    ("changed/deleted:back", AMD64),
    ("changed/blobs:v1", AMD64),
]


def push_by_sha512(authority: str, repository: str) -> Digest:
    """Push a manifest and its layer by their sha512. Returns the manifest's digest."""
    push_blob(authority, repository, CONFIG)
    push_blob(authority, repository, OUR_LAYER, SHA512)
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": str(Digest.of(OUR_LAYER, SHA512)),
        "size": len(OUR_LAYER),
    }
    manifest = image_manifest(layers=[layer])
    digest = Digest.of(manifest, SHA512)
    push_manifest(authority, repository, f"{digest}?tag=v1", manifest)
    return digest
