"""Copies from distribution 2.8 to ours and back to another distribution, over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.references import fallback_tag
from registry_core.transfer.copy import copy_tags, list_tags
from registry_core.transfer.options import CopyOptions
from registry_core.transfer.report import NOTHING, CopyReport, Outcome
from tests.e2e.clients import ImageClient
from tests.e2e.copying import HttpPlace, between
from tests.e2e.images import LayoutImage, noise_image
from tests.e2e.takeover.contents import push_blob, push_manifest, tags_of
from tests.e2e.takeover.distribution import Distribution
from tests.support.content import CONFIG, descriptor, image_index, image_manifest
from tests.support.host import PROJECT
from tests.support.programs import program

NAME = "copied/app"
WITH_REFERRERS = CopyOptions(referrers=True)

_MANIFESTS = ", ".join(sorted(media_types.MANIFESTS))


def get(authority: str, path: str) -> httpx.Response:
    url = f"http://{authority}/v2/{path}"
    return httpx.get(url, headers={"Accept": _MANIFESTS}, follow_redirects=True)


def manifest_of(authority: str, reference: object, name: str = NAME) -> tuple[bytes, str]:
    """Return a manifest as the registry answers it, and its media type."""
    answer = get(authority, f"{name}/manifests/{reference}").raise_for_status()
    return answer.content, answer.headers["Content-Type"]


def attach(authority: str, subject: bytes, name: str) -> bytes:
    """Push a manifest that refers to another one, and return it."""
    described = descriptor(subject, media_type_of(subject))
    layer, kind = name.encode(), "application/vnd.example.attached"
    content = image_manifest(layer, artifactType=kind, subject=described, annotations={"is": name})
    for blob in (CONFIG, layer):
        push_blob(authority, NAME, blob)
    push_manifest(authority, NAME, Digest.of(content), content)
    return content


def list_attached(authority: str, subject: bytes, *attached: bytes) -> str:
    """List what refers to a manifest, as clients do where a registry does not. Return the tag."""
    tag = fallback_tag(Digest.of(subject))
    push_manifest(authority, NAME, tag, image_index(*attached))
    return tag


@dataclass(frozen=True)
class Filled:
    """A distribution with images of all kinds, and what is attached to them.

    ``tags`` are those of images and of cosign's signatures, ``lists`` those of lists of referrers.
    """

    authority: str
    tags: Mapping[str, bytes]
    lists: Mapping[str, set[str]]
    manifests: tuple[bytes, ...]


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory,
    client_named: Callable[[str], ImageClient],
    two_platforms: LayoutImage,
) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("filled")
    with Distribution(folder / "registry") as authority:
        yield _fill(authority, folder, client_named("skopeo"), two_platforms)


def _fill(authority: str, folder: Path, skopeo: ImageClient, platforms: LayoutImage) -> Filled:
    image = noise_image(folder / "noise", 3_000_000, 20_000_000)
    repository = f"{authority}/{NAME}"
    skopeo.push(image, f"{repository}:noise")
    skopeo.push(platforms, f"{repository}:platforms")
    flags = ("--quiet", "--format=v2s2", "--dest-tls-verify=false")
    docker = (f"oci:{image.layout}:{image.tag}", f"docker://{repository}:docker")
    subprocess.run(
        [program("skopeo"), "--insecure-policy", "copy", *flags, *docker], check=True, timeout=60
    )
    index, _ = manifest_of(authority, "platforms")
    children = [
        manifest_of(authority, child["digest"])[0] for child in json.loads(index)["manifests"]
    ]
    nested = image_index(manifests=[descriptor(index, media_types.OCI_INDEX)])
    push_manifest(authority, NAME, "nested", nested)
    skopeo.push(image, f"{repository}:sha256-{Digest.of(index).hex}.sig")
    signature, sbom = (attach(authority, index, each) for each in ("signature", "sbom"))
    of_child = attach(authority, children[1], "of arm64")
    of_sbom = attach(authority, sbom, "signature of the sbom")
    lists = {
        list_attached(authority, index, signature, sbom): {digest_of(signature), digest_of(sbom)},
        list_attached(authority, children[1], of_child): {digest_of(of_child)},
        list_attached(authority, sbom, of_sbom): {digest_of(of_sbom)},
    }
    tags = set(tags_of(authority, NAME)) - lists.keys()
    return Filled(
        authority,
        {tag: manifest_of(authority, tag)[0] for tag in tags},
        lists,
        (*children, signature, sbom, of_child, of_sbom),
    )


def media_type_of(content: bytes) -> str:
    return str(json.loads(content).get("mediaType", media_types.OCI_MANIFEST))


def digest_of(content: bytes) -> str:
    return str(Digest.of(content))


def copy_everything(source: str, target: str) -> CopyReport:
    async def copy(one: HttpPlace, other: HttpPlace) -> CopyReport:
        return await copy_tags(one, await list_tags(one), other, WITH_REFERRERS)

    return between(source, target, copy)


def check_manifests(filled: Filled, authority: str, name: str) -> None:
    """Check that all manifests are the same, byte for byte."""
    for tag, content in filled.tags.items():
        assert manifest_of(authority, tag, name) == (content, media_type_of(content)), tag
    for content in filled.manifests:
        assert manifest_of(authority, digest_of(content), name)[0] == content


def referrers_in(authority: str, name: str, tag: str) -> set[str]:
    """Return the digests in a list of referrers: of the API, or under the fallback tag."""
    digest = tag.replace("-", ":")
    answer = get(authority, f"{name}/referrers/{digest}")
    listed: Any = (
        answer.json() if answer.is_success else json.loads(manifest_of(authority, tag, name)[0])
    )
    assert listed["mediaType"] == media_types.OCI_INDEX
    return {entry["digest"] for entry in listed["manifests"]}


@pytest.mark.timeout(300)
def test_images_with_what_is_attached_to_them_go_to_ours_and_back_unchanged(
    filled: Filled,
    registry: str,
    client_named: Callable[[str], ImageClient],
    tmp_path: Path,
) -> None:
    name = f"copied/{uuid.uuid4().hex}"
    to_ours = copy_everything(f"{filled.authority}/{NAME}", f"{registry}/{name}")
    assert not to_ours.failures
    check_manifests(filled, registry, name)
    for tag, expected in filled.lists.items():
        assert referrers_in(registry, name, tag) == expected
    assert tags_of(registry, name) == sorted(filled.tags)

    again = copy_everything(f"{filled.authority}/{NAME}", f"{registry}/{name}")
    assert not again.changed
    assert again.bytes_read == 0

    with Distribution(tmp_path / "back") as back:
        to_back = copy_everything(f"{registry}/{name}", f"{back}/{NAME}")
        assert not to_back.failures
        check_manifests(filled, back, NAME)
        for tag, expected in filled.lists.items():
            assert referrers_in(back, NAME, tag) == expected
        assert tags_of(back, NAME) == sorted([*filled.tags, *filled.lists])
        for platform in ("linux/amd64", "linux/arm64"):
            before, after = (
                client_named("skopeo").pull(f"{authority}/{NAME}:platforms", platform)
                for authority in (filled.authority, back)
            )
            assert before == after


@pytest.mark.timeout(300)
def test_a_copy_that_was_killed_goes_on_where_it_stopped(
    registry: str, tmp_path: Path, client_named: Callable[[str], ImageClient]
) -> None:
    """Killed with SIGKILL when two of five blobs have arrived."""
    image = noise_image(tmp_path / "noise", *[12_000_000] * 4)
    name = f"killed/{uuid.uuid4().hex}"
    with Distribution(tmp_path / "registry") as source:
        client_named("skopeo").push(image, f"{source}/{NAME}:v1")
        command = (f"{source}/{NAME}", f"{registry}/{name}", "v1")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.copying", *command],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            arrived = {process.stdout.readline().strip() for _ in range(2)}
            process.kill()
        assert get(registry, f"{name}/manifests/v1").status_code == 404
        report = copy_everything(*command[:2])
    assert report.blobs[Outcome.PRESENT].number >= len(arrived) == 2
    copied = report.blobs.get(Outcome.COPIED, NOTHING)
    assert copied.number == 5 - report.blobs[Outcome.PRESENT].number
    assert report.bytes_read == copied.size
    assert digest_of(manifest_of(registry, "v1", name)[0]) == image.digest


def test_within_ours_blobs_are_mounted(
    registry: str, tmp_path: Path, client_named: Callable[[str], ImageClient]
) -> None:
    image = noise_image(tmp_path / "noise", 1_000_000)
    name = f"mounted/{uuid.uuid4().hex}"
    client_named("skopeo").push(image, f"{registry}/{name}:v1")
    report = copy_everything(f"{registry}/{name}", f"{registry}/{name}/other")
    assert report.blobs == {Outcome.MOUNTED: report.blobs[Outcome.MOUNTED]}
    assert report.bytes_read == 0
    assert digest_of(manifest_of(registry, "v1", f"{name}/other")[0]) == image.digest
