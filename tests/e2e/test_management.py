"""Listing, copying and deleting images."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

from tests.e2e.clients import ImageClient
from tests.e2e.images import LayoutImage
from tests.e2e.registries import get_manifest
from tests.support.programs import program


def skopeo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (program("skopeo"), "--insecure-policy", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_skopeo_lists_the_tags_and_deletes_an_image(
    client_named: Callable[[str], ImageClient], registry: str, debian: LayoutImage
) -> None:
    """It deletes by digest, so all tags of the image are deleted."""
    repository = f"{registry}/management/listed"
    for tag in ("v1", "v2"):
        client_named("skopeo").push(debian, f"{repository}:{tag}")
    listed = skopeo("list-tags", "--tls-verify=false", f"docker://{repository}")
    assert json.loads(listed.stdout)["Tags"] == ["v1", "v2"]

    deleted = skopeo("delete", "--tls-verify=false", f"docker://{repository}:v1")

    assert deleted.returncode == 0, deleted.stderr
    inspected = skopeo("inspect", "--tls-verify=false", f"docker://{repository}:v2")
    assert "manifest unknown" in inspected.stderr
    relisted = skopeo("list-tags", "--tls-verify=false", f"docker://{repository}")
    assert relisted.returncode != 0
    assert "404 (Not Found)" in relisted.stderr


def test_an_index_is_copied_to_another_repository_with_its_images(
    client_named: Callable[[str], ImageClient], registry: str, two_platforms: LayoutImage
) -> None:
    """The registry has the layers already, so skopeo mounts them."""
    source, target = (f"{registry}/management/{name}" for name in ("source", "target"))
    client_named("skopeo").push(two_platforms, f"{source}:latest")

    copied = skopeo(
        "--debug",
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        f"docker://{source}:latest",
        f"docker://{target}:latest",
    )

    assert copied.returncode == 0, copied.stderr
    assert "mount OK" in copied.stderr
    assert get_manifest(target, "latest").content == get_manifest(source, "latest").content
    for platform in ("linux/amd64", "linux/arm64"):
        pulled = client_named("podman").pull(f"{target}:latest", platform)
        assert pulled.identity == two_platforms.identity_for(platform)
