"""Names, versions, snapshots and undeletion, as an account in Azure treats them."""

from __future__ import annotations

import httpx
import pytest

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.azure import DEFAULT_API_VERSION, AzureBlobStore
from registry_core.object_store.azure.sas import NEWEST_VERSION, OLDEST_VERSION
from registry_core.object_store.errors import NotFound, StoreUnavailable
from registry_core.spec.media_types import OCI_MANIFEST
from tests.contracts.object_store import CONTENT, content_of
from tests.live.account import Account, take_snapshot, undelete
from tests.live.conftest import Note
from tests.support.content import image_manifest, push_image
from tests.support.in_process import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough")
VERSIONS = [OLDEST_VERSION, "2021-12-02", "2024-11-04", DEFAULT_API_VERSION, NEWEST_VERSION]


async def test_a_tag_with_a_dot_at_its_end_is_not_another_tag(
    store: AzureBlobStore, note: Note
) -> None:
    """Needs Azure, which is said to strip the dot (D1): the push of `v1.` must not move `v1`."""
    registry = build_registry(SETTINGS, store)
    pushed = await push_image(registry, "a", "v1", [b"layer"])
    async with client_of(build_application(SETTINGS, registry)) as client:
        other = await client.put(
            "/v2/a/manifests/v1.",
            content=image_manifest(b"layer", annotations={"another": "manifest"}),
            headers={"Content-Type": OCI_MANIFEST},
        )
        found = await client.head("/v2/a/manifests/v1")
    note("the registry accepts tags that end with a dot", other.status_code == 201)
    assert found.headers["Docker-Content-Digest"] == str(pushed.digest)


async def test_what_becomes_of_dots_at_the_end_of_path_segments(
    store: AzureBlobStore, note: Note
) -> None:
    """Needs Azure (D1). Whatever becomes of them, reading back finds what was written."""
    for path in ("tags/v1./current/link", "tags/v1."):
        await store.put(path, path.encode())
        assert await content_of(store, path) == path.encode()
        [row] = (await store.list_page("tags/")).entries
        note(f"{path} is kept as", row.path)
        await store.delete(path)


@pytest.mark.parametrize("version", VERSIONS)
async def test_each_version_of_the_protocol_serves_all_that_the_registry_does(
    account: Account, container_name: str, version: str, note: Note
) -> None:
    """Needs Azure: Azurite accepts every version (D5)."""
    async with account.opened(container_name, api_version=version) as store:
        problem = ""
        try:
            await store.put("a", CONTENT, metadata={"digest": "x"})
        except StoreUnavailable as unknown:
            problem = str(unknown)
        note(f"protocol version {version}", "unknown" if problem else "works")
        if problem:
            assert "REGISTRY_STORAGE_AZURE_APIVERSION" in problem
            assert version > DEFAULT_API_VERSION, "the default has to work everywhere"
            return
        await store.copy("b", "a", size=10, metadata={"digest": "x"})
        assert await content_of(store, "b") == CONTENT
        rows = (await store.list_page("", start_from="a", metadata=True)).entries
        assert [row.path for row in rows] == ["a", "b"]
        url = await store.signed_url("a", seconds=60)
        async with httpx.AsyncClient() as client:
            answer = await client.get(url)
        assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_a_blob_that_was_undeleted_with_its_snapshots_is_deleted_again(
    soft_delete: AzureBlobStore,
) -> None:
    """Undelete restores what was overwritten as snapshots (P6)."""
    store = soft_delete
    await store.put("a", b"first")
    await store.put("a", b"second")
    await store.delete("a")
    await undelete(store, "a")
    assert await content_of(store, "a") == b"second"
    await store.delete("a")
    with pytest.raises(NotFound):
        await store.head("a")


async def test_a_blob_with_a_snapshot_is_overwritten_and_deleted(store: AzureBlobStore) -> None:
    """As a backup tool leaves it behind (P6)."""
    await store.put("a", b"first")
    await take_snapshot(store, "a")
    await store.put("a", b"second")
    await store.delete("a")
    with pytest.raises(NotFound):
        await store.head("a")


async def test_the_namespace_is_flat(store: AzureBlobStore) -> None:
    """Fails for an account with a hierarchical namespace, which the registry does not support."""
    await store.check_namespace()
    await store.check_access("no-object-is-here")
