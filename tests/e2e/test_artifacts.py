"""Artifacts other than images, pushed by ORAS's Python library and found by their subject.

Signatures are pushed and found the way cosign (which Debian lacks) does: by the referrers list; by
the index that clients keep under a fallback tag where a registry has no referrers API; and by
cosign's own tag, `sha256-<hex>.sig`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from oras.client import OrasClient  # type: ignore[import-untyped]
from oras.oci import Subject  # type: ignore[import-untyped]

from tests.e2e.clients import ImageClient
from tests.e2e.images import LayoutImage
from tests.e2e.registries import get_manifest
from tests.support.programs import program

OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def test_an_artifact_is_pulled_as_pushed(registry: str, tmp_path: Path) -> None:
    """Two files and an annotation are pushed, pulled and compared."""
    contents = {"report.json": b'{"findings": []}', "notes.bin": bytes(range(256)) * 4096}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    target, annotations = f"{registry}/artifacts/report:v1", {"org.example.purpose": "test"}
    oras = OrasClient(insecure=True)

    oras.push(
        target,
        files=[str(tmp_path / name) for name in contents],
        manifest_annotations=annotations,
        disable_path_validation=True,
    )
    pulled = [Path(path) for path in oras.pull(target, outdir=str(tmp_path / "pulled"))]

    assert {path.name: path.read_bytes() for path in pulled} == contents
    assert oras.get_manifest(oras.get_container(target))["annotations"] == annotations


@pytest.fixture
def image(
    request: pytest.FixtureRequest,
    client_named: Callable[[str], ImageClient],
    registry: str,
    debian: LayoutImage,
) -> tuple[str, str]:
    """Push an image to sign. Returns its repository, one for each test, and its digest."""
    name = request.node.name.removeprefix("test_").replace("_", "-")
    repository = f"{registry}/signed/{name}"
    return repository, client_named("skopeo").push(debian, f"{repository}:latest")


def attach(image: tuple[str, str], tag: str, content: bytes, folder: Path) -> str:
    """Push an artifact whose subject is the image, as `oras attach` does. Returns its digest."""
    repository, digest = image
    manifest = get_manifest(repository, "latest")
    subject = Subject(manifest.headers["Content-Type"], digest, len(manifest.content))
    (folder / "signature").write_bytes(content)
    pushed = OrasClient(insecure=True).push(
        f"{repository}:{tag}",
        files=[str(folder / "signature")],
        manifest_annotations={"org.example.signer": tag},
        subject=subject,
        disable_path_validation=True,
    )
    assert pushed.headers["OCI-Subject"] == digest
    return str(pushed.headers["Docker-Content-Digest"])


def discover(image: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the referrers of the image, as `oras discover` does."""
    repository, digest = image
    registry, name = repository.split("/", 1)
    answer = httpx.get(f"http://{registry}/v2/{name}/referrers/{digest}").raise_for_status()
    manifests: list[dict[str, Any]] = answer.json()["manifests"]
    return manifests


def pull(repository: str, digest: str, folder: Path) -> bytes:
    """Pull the only file of an artifact."""
    [path] = OrasClient(insecure=True).pull(f"{repository}@{digest}", outdir=str(folder / "pulled"))
    return Path(path).read_bytes()


def test_attached_artifacts_are_discovered_by_the_image(
    image: tuple[str, str], tmp_path: Path
) -> None:
    """Two signatures with their annotations; each is pulled by its listed digest."""
    repository, _ = image
    contents = {attach(image, tag, tag.encode(), tmp_path): tag for tag in ("alice", "bob")}

    found = discover(image)

    assert {e["digest"]: e["annotations"]["org.example.signer"] for e in found} == contents
    for digest, tag in contents.items():
        assert pull(repository, digest, tmp_path) == tag.encode()


def test_a_signature_is_found_by_the_fallback_tag_too(
    image: tuple[str, str], tmp_path: Path
) -> None:
    """A client without the referrers API keeps an index; the registry lists each entry once."""
    repository, digest = image
    ours = attach(image, "ours", b"by the list", tmp_path)
    [entry] = discover(image)
    theirs = attach(image, "theirs", b"by the tag", tmp_path)
    entries = [e for e in discover(image) if e["digest"] in (ours, theirs)]
    put_index(repository, fallback := digest.replace(":", "-"), entries)

    by_tag = json.loads(skopeo("inspect", "--raw", f"docker://{repository}:{fallback}"))

    assert entry in by_tag["manifests"]
    assert by_tag["manifests"] == discover(image)
    listed = {e["digest"] for e in by_tag["manifests"]}
    assert {pull(repository, name, tmp_path) for name in listed} == {b"by the list", b"by the tag"}


def test_a_signature_is_found_by_cosigns_own_tag(image: tuple[str, str], tmp_path: Path) -> None:
    """An artifact without a subject; its tag is derived from the image's digest."""
    repository, digest = image
    name = digest.replace(":", "-") + ".sig"
    (tmp_path / "signature").write_bytes(b"signed")
    OrasClient(insecure=True).push(
        f"{repository}:{name}", files=[str(tmp_path / "signature")], disable_path_validation=True
    )

    tags = json.loads(skopeo("list-tags", f"docker://{repository}"))["Tags"]
    signature = json.loads(skopeo("inspect", "--raw", f"docker://{repository}:{name}"))

    assert tags == sorted(["latest", name])
    assert [layer["size"] for layer in signature["layers"]] == [len(b"signed")]
    assert discover(image) == []


def put_index(repository: str, tag: str, entries: list[dict[str, Any]]) -> None:
    registry, name = repository.split("/", 1)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    url = f"http://{registry}/v2/{name}/manifests/{tag}"
    httpx.put(url, json=index, headers={"Content-Type": OCI_INDEX}).raise_for_status()


def skopeo(command: str, *arguments: str) -> str:
    """Run skopeo and return its output."""
    words = (program("skopeo"), command, "--tls-verify=false", *arguments)
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout
