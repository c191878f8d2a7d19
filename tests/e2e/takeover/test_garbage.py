"""The doctor around distribution's garbage collector: what stops it, and what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from registry_core.object_store.azure import AzureBlobStore
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.e2e.takeover.contents import head, push_blob, push_manifest
from tests.e2e.takeover.distribution import Distribution
from tests.e2e.takeover.trees import load_tree, write_tree
from tests.support.azurite import container_client, opened
from tests.support.content import (
    CONFIG,
    LAYER,
    descriptor,
    image_index,
    image_manifest,
    push_image,
    read_blob,
)
from tests.support.content import push_blob as push_blob_to
from tests.support.content import push_manifest as push_manifest_to
from tests.support.host import PROJECT

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
CACHED = b"a layer that BuildKit has cached"
CACHE_CONFIG = b'{"layers":[],"records":[]}'
CACHE = image_index(
    manifests=[
        descriptor(CACHED, f"{LAYER}.tar+gzip"),
        descriptor(CACHE_CONFIG, "application/vnd.buildkit.cacheconfig.v0"),
    ]
)


def run_doctor(azurite: Azurite, container: str, *arguments: str) -> tuple[int, Mapping[str, int]]:
    """Return the exit code, and how many of each problem were found."""
    settings = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container,
    }
    ran = subprocess.run(
        [sys.executable, "-m", "registry_core", "doctor", "--json", *arguments],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not ran.stderr, ran.stderr
    problems = json.loads(ran.stdout)["problems"]
    return ran.returncode, {name: count["found"] for name, count in problems.items()}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return the files of distribution with the cache of a build, as BuildKit pushes it."""
    folder = tmp_path / "distribution"
    folder.mkdir()
    with Distribution(folder) as authority:
        for content in (CACHED, CACHE_CONFIG):
            push_blob(authority, "bk/cache", content)
        push_manifest(authority, "bk/cache", "cache", CACHE)
    return folder


def test_a_cache_of_buildkit_is_healthy_and_can_be_given_back(
    azurite: Azurite, container_name: str, cache: Path, tmp_path: Path
) -> None:
    load_tree(azurite, container_name, cache, root="")
    assert run_doctor(azurite, container_name, "--repair") == (0, {"marker-missing": 1})
    assert run_doctor(azurite, container_name, "--verify") == (0, {})
    given_back = Distribution(tmp_path / "given-back")
    write_tree(azurite, container_name, given_back.folder, root="")
    assert "eligible for deletion: " not in given_back.collect_garbage(dry_run=True)
    with given_back as authority:
        assert head(authority, "bk/cache", "cache").status_code == 200


def test_links_that_stop_the_collector_are_found_and_deleted(
    azurite: Azurite, container_name: str, cache: Path, tmp_path: Path
) -> None:
    """The links that repairs of earlier versions wrote for what BuildKit's caches list."""
    for content in (CACHED, CACHE_CONFIG):
        link = cache / LAYOUT.revision_link("bk/cache", Digest.of(content))
        link.parent.mkdir(parents=True)
        link.write_text(str(Digest.of(content)))
    with pytest.raises(AssertionError, match="failed to garbage collect"):
        Distribution(cache).collect_garbage(dry_run=True)
    load_tree(azurite, container_name, cache, root="")
    found = {"marker-missing": 1, "blob-as-manifest": 2}
    assert run_doctor(azurite, container_name) == (1, found)
    assert run_doctor(azurite, container_name, "--repair") == (0, found)
    assert run_doctor(azurite, container_name) == (0, {})
    given_back = Distribution(tmp_path / "given-back")
    write_tree(azurite, container_name, given_back.folder, root="")
    given_back.collect_garbage(dry_run=True)


async def test_a_blob_that_the_collector_has_deleted_is_pushed_again(
    azurite: Azurite, container_name: str, tmp_path: Path
) -> None:
    """Its link stays, by which clients would find it and not push it."""
    layer = b"a layer of a deleted image"
    async with opened(azurite, container_name) as store:
        registry = StoredRegistry(store)
        await push_image(registry, "a", "kept", [b"another"])
        await push_image(registry, "a", "deleted", [layer])
        await registry.delete_manifest("a", Digest.of(image_manifest(layer)))
        _collect(azurite, container_name, Distribution(tmp_path / "distribution"))
        assert run_doctor(azurite, container_name) == (1, {"blob-dangling": 1})
        assert run_doctor(azurite, container_name, "--repair") == (0, {"blob-dangling": 1})
        await _push_as_clients_do(store, layer)
        assert await read_blob(StoredRegistry(store), "a", Digest.of(layer)) == layer
    assert run_doctor(azurite, container_name, "--verify") == (0, {})


async def _push_as_clients_do(store: AzureBlobStore, layer: bytes) -> None:
    registry = StoredRegistry(store)
    for content in (CONFIG, layer):
        try:
            await registry.resolve_blob("a", Digest.of(content))
        except BlobUnknown:
            await push_blob_to(registry, "a", content)
    await push_manifest_to(registry, "a", "v1", image_manifest(layer))


def _collect(azurite: Azurite, container: str, distribution: Distribution) -> None:
    """Delete from the container what distribution's collector deletes of the same files."""
    write_tree(azurite, container, distribution.folder, root="")
    before = _files(distribution.folder)
    distribution.collect_garbage()
    with container_client(azurite, container) as client:
        for path in before - _files(distribution.folder):
            client.delete_blob(path)


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
