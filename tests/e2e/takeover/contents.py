"""The content that distribution gets before the takeover."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from registry_core.spec import media_types
from registry_core.spec.digest import SHA256, SHA512, Digest
from tests.e2e.clients import ImageClient, Pulled
from tests.e2e.images import PLATFORM_LAYERS, LayoutImage
from tests.support.content import CONFIG, image_index, image_manifest
from tests.support.programs import program
from tests.support.wire import OCTETS

ALONE = b"a blob of a repository without manifests"
BY_SHA512 = b"a layer that distribution was pushed by its sha512"
SIGNATURE = b"a signature"

Named = tuple[str, str]
"""A reference without its registry, and a platform."""

AMD64, _ARM64 = PLATFORM_LAYERS


@dataclass(frozen=True)
class Images:
    """Two small images, and an index of two platforms."""

    old: LayoutImage
    new: LayoutImage
    platforms: LayoutImage


@dataclass(frozen=True)
class Filled:
    """A folder that distribution has filled, and distribution's own answers.

    ``schema_1`` is the digest of the manifest that schema/app:v1 names, ``signature`` that of the
    one whose subject is signed/app:v1 and changed/signed:v1, ``upload`` the id of an upload of
    library/app that was abandoned.
    """

    folder: Path
    pulled: Mapping[Named, Pulled]
    repositories: list[str]
    tags: Mapping[str, list[str]]
    schema_1: Digest
    signature: Digest
    upload: str


def fill(
    folder: Path, authority: str, skopeo: ImageClient, docker: ImageClient, images: Images
) -> Filled:
    """Push to the registry at ``authority``, whose files are below ``folder``."""
    old, new, platforms = images.old, images.new, images.platforms
    docker.push(old, f"{authority}/by/docker:v1")
    for image, references in (
        (old, ("library/app:v1", "library/app:latest", "untagged/app:v1", "deleted/app:here")),
        (new, ("library/app:latest", "untagged/app:v1", "library/app/nested/deep:v1")),
        (old, ("library/app:latest", "changed/app:again", "changed/app:moved")),
        (old, ("signed/app:v1", "changed/signed:v1")),
        (new, ("changed/app:dropped", "changed/app:first", "changed/app:second")),
        (platforms, ("platforms:latest", "changed/platforms:latest")),
        (new, ("deleted/app:gone", "changed/deleted:gone")),
    ):
        for reference in references:
            skopeo.push(image, f"{authority}/{reference}")
    for repository in ("deleted/app", "changed/deleted"):
        delete(authority, repository, new.digest)
    for repository in ("blobs/only", "changed/blobs"):
        push_blob(authority, repository, ALONE)
    push_blob(authority, "by/sha512", BY_SHA512, SHA512)
    push_schema_1(authority, "schema/app:v1", new)
    signatures = {sign(authority, name, old) for name in ("signed/app", "changed/signed")}
    upload = leave_upload(authority, "library/app")
    return Filled(
        folder,
        pulled=pull_all(skopeo, authority, _references(old)),
        repositories=httpx.get(f"http://{authority}/v2/_catalog?n=1000").json()["repositories"],
        tags={name: tags_of(authority, name) for name in _TAGGED},
        schema_1=Digest.parse(head(authority, "schema/app", "v1").headers["Docker-Content-Digest"]),
        signature=signatures.pop(),
        upload=upload,
    )


_TAGGED = ("by/docker", "library/app", "library/app/nested/deep", "platforms", "deleted/app")


def _references(untagged: LayoutImage) -> list[Named]:
    return [
        *((f"library/app:{tag}", AMD64) for tag in ("v1", "latest")),
        (f"untagged/app@{untagged.digest}", AMD64),
        *((f"{name}:v1", AMD64) for name in ("by/docker", "library/app/nested/deep", "signed/app")),
        *(("platforms:latest", platform) for platform in PLATFORM_LAYERS),
        ("deleted/app:here", AMD64),
    ]


def pull_all(
    skopeo: ImageClient, authority: str, references: Iterable[Named]
) -> dict[Named, Pulled]:
    """Pull these references with skopeo, which verifies the digest of every blob."""
    return {
        (reference, platform): skopeo.pull(f"{authority}/{reference}", platform)
        for reference, platform in references
    }


def tags_of(authority: str, repository: str) -> list[str]:
    """Return the tags in lexical order, which distribution 2.8 does not guarantee."""
    answer = httpx.get(f"http://{authority}/v2/{repository}/tags/list").raise_for_status()
    return sorted(answer.json()["tags"])


def head(authority: str, repository: str, reference: object) -> httpx.Response:
    """Send a HEAD for a manifest of any type."""
    known = ", ".join((*media_types.MANIFESTS, "*/*"))
    url = f"http://{authority}/v2/{repository}/manifests/{reference}"
    return httpx.head(url, headers={"Accept": known})


def push_schema_1(authority: str, reference: str, image: LayoutImage) -> None:
    """Push a manifest of Docker's schema 1, as docker did until 2016."""
    flags = ("--quiet", "--format=v2s1", "--dest-tls-verify=false")
    source, target = f"oci:{image.layout}:{image.tag}", f"docker://{authority}/{reference}"
    command = (program("skopeo"), "--insecure-policy", "copy", *flags, source, target)
    subprocess.run(command, check=True, timeout=60)


def push_blob(authority: str, repository: str, content: bytes, algorithm: str = SHA256) -> None:
    url = httpx.URL(f"http://{authority}/v2/{repository}/blobs/uploads/")
    started = httpx.post(url, params={"digest-algorithm": algorithm}).raise_for_status()
    location = url.join(started.headers["Location"])
    closing = location.copy_add_param("digest", str(Digest.of(content, algorithm)))
    httpx.put(closing, content=content, headers=OCTETS).raise_for_status()


def push_manifest(authority: str, repository: str, reference: object, content: bytes) -> None:
    headers = {"Content-Type": json.loads(content)["mediaType"]}
    url = f"http://{authority}/v2/{repository}/manifests/{reference}"
    httpx.put(url, content=content, headers=headers).raise_for_status()


def delete(authority: str, repository: str, reference: object) -> None:
    httpx.delete(f"http://{authority}/v2/{repository}/manifests/{reference}").raise_for_status()


def leave_upload(authority: str, repository: str) -> str:
    """Start an upload and return its id."""
    location = httpx.post(f"http://{authority}/v2/{repository}/blobs/uploads/").headers["Location"]
    answer = httpx.patch(location, content=b"the first half", headers=OCTETS).raise_for_status()
    return answer.headers["Docker-Upload-UUID"]


def sign(authority: str, repository: str, image: LayoutImage) -> Digest:
    """Push a signature of an image. Returns its digest.

    As clients do where a registry knows no referrers: it is listed under the fallback tag.
    """
    manifest = signature_of(image)
    for content in (CONFIG, SIGNATURE):
        push_blob(authority, repository, content)
    push_manifest(authority, repository, Digest.of(manifest), manifest)
    push_manifest(authority, repository, image.digest.replace(":", "-"), image_index(manifest))
    return Digest.of(manifest)


def signature_of(image: LayoutImage, *, by: str = "somebody") -> bytes:
    """A manifest whose subject is the image."""
    subject = {
        "mediaType": image.manifest["mediaType"],
        "digest": image.digest,
        "size": len(json.dumps(image.manifest)),
    }
    return image_manifest(
        SIGNATURE,
        artifactType="application/vnd.example.signature",
        annotations={"by": by},
        subject=subject,
    )
