"""What is done to images after the push: listed, copied, signed, deleted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
from oras.client import OrasClient  # type: ignore[import-untyped]
from oras.oci import Subject  # type: ignore[import-untyped]

from tests.support.clients import program
from tests.support.e2e_clients import ImageClient
from tests.support.e2e_registry import get_manifest
from tests.support.images import LayoutImage


def skopeo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (program("skopeo"), "--insecure-policy", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_skopeo_lists_the_tags_and_deletes_an_image(
    client_named: Callable[[str], ImageClient], registry: str, debian: LayoutImage
) -> None:
    """It deletes by digest, so that all tags of the image go."""
    repository = f"{registry}/management/listed"
    for tag in ("v1", "v2"):
        client_named("skopeo").push(debian, f"{repository}:{tag}")
    listed = skopeo("list-tags", "--tls-verify=false", f"docker://{repository}")
    assert json.loads(listed.stdout)["Tags"] == ["v1", "v2"]

    deleted = skopeo("delete", "--tls-verify=false", f"docker://{repository}:v1")

    assert deleted.returncode == 0, deleted.stderr
    inspected = skopeo("inspect", "--tls-verify=false", f"docker://{repository}:v2")
    assert "manifest unknown" in inspected.stderr


def test_an_index_is_copied_from_repository_to_repository_with_all_it_lists(
    client_named: Callable[[str], ImageClient], registry: str, two_platforms: LayoutImage
) -> None:
    """The blobs are in the registry already, so skopeo mounts them."""
    source, target = (f"{registry}/management/{name}" for name in ("source", "target"))
    client_named("skopeo").push(two_platforms, f"{source}:latest")

    copied = skopeo(
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        f"docker://{source}:latest",
        f"docker://{target}:latest",
    )

    assert copied.returncode == 0, copied.stderr
    assert get_manifest(target, "latest").content == get_manifest(source, "latest").content
    for platform in ("linux/amd64", "linux/arm64"):
        pulled = client_named("podman").pull(f"{target}:latest", platform)
        assert pulled.identity == two_platforms.identity_for(platform)


def test_what_oras_attaches_to_an_image_is_found_by_it(
    client_named: Callable[[str], ImageClient],
    registry: str,
    debian: LayoutImage,
    tmp_path: Path,
) -> None:
    """A signature is an artifact whose subject is the image."""
    repository = f"{registry}/management/signed"
    digest = client_named("skopeo").push(debian, f"{repository}:latest")
    manifest = get_manifest(repository, "latest")
    subject = Subject(manifest.headers["Content-Type"], digest, len(manifest.content))
    (tmp_path / "signature").write_bytes(b"signed")

    pushed = OrasClient(insecure=True).push(
        f"{repository}:signature",
        files=[str(tmp_path / "signature")],
        manifest_annotations={"org.example.signer": "test"},
        subject=subject,
        disable_path_validation=True,
    )

    assert pushed.headers["OCI-Subject"] == digest
    name = repository.removeprefix(f"{registry}/")
    found = httpx.get(f"http://{registry}/v2/{name}/referrers/{digest}").json()["manifests"]
    assert [entry["digest"] for entry in found] == [pushed.headers["Docker-Content-Digest"]]
    assert found[0]["annotations"] == {"org.example.signer": "test"}
