"""Wrappers: what each of them refuses or adds, and that it delegates everything else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Blob, Registry
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.errors import BlobUnknown, Unsupported
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.wrappers import Delegating, WithoutDeletion
from tests.support.content import image_manifest, push_image
from tests.support.counting import CountingStore
from tests.support.wire import Wire, assert_error
from tests.wire.auth.builtin import ALICE, bearer, connect, token_for

pytestmark = pytest.mark.anyio

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough", redirect=False)
LAYER = b"a layer"


@asynccontextmanager
async def serving(memory: MemoryStore, settings: Settings) -> AsyncIterator[Wire]:
    app = build_application(settings, build_registry(settings, memory))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        yield Wire(client, "a/b", lambda: set(memory.objects))


@pytest.fixture
async def memory() -> MemoryStore:
    """A store that contains one image."""
    memory = MemoryStore()
    async with serving(memory, SETTINGS) as wire:
        await wire.push_image("v1", LAYER)
    return memory


async def assert_pulls(wire: Wire) -> None:
    for path in ("manifests/v1", f"blobs/{Digest.of(LAYER)}", "tags/list"):
        assert (await wire.client.get(f"{wire.base}/{path}")).status_code == 200


async def deletions(wire: Wire) -> list[httpx.Response]:
    digest = Digest.of(image_manifest(LAYER))
    paths = (f"blobs/{Digest.of(LAYER)}", "manifests/v1", f"manifests/{digest}")
    return [await wire.client.delete(f"{wire.base}/{path}") for path in paths]


async def test_a_registry_without_deletion_refuses_it_and_does_everything_else(
    memory: MemoryStore,
) -> None:
    """REGISTRY_STORAGE_DELETE_ENABLED=false."""
    async with serving(memory, replace(SETTINGS, delete=False)) as wire:
        for answer in await deletions(wire):
            assert_error(answer, 405, "UNSUPPORTED")
        await assert_pulls(wire)
        await wire.push_image("v2", b"another layer")
        assert (await wire.client.delete(await wire.start())).status_code == 204


async def test_a_read_only_registry_refuses_every_write(memory: MemoryStore) -> None:
    """REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED=true."""
    async with serving(memory, SETTINGS) as wire:
        location = await wire.start()
    before = dict(memory.objects)
    async with serving(memory, replace(SETTINGS, read_only=True)) as wire:
        digest = Digest.of(LAYER)
        uploads = f"{wire.base}/blobs/uploads/"
        answers = [
            *await deletions(wire),
            await wire.client.post(uploads),
            await wire.client.post(f"{uploads}?digest={digest}", content=LAYER),
            await wire.client.post(f"{uploads}?mount={digest}&from=a/b"),
            await wire.patch(location, LAYER),
            await wire.finish(location, digest, LAYER),
            await wire.client.delete(location),
            await wire.put_manifest("v2", image_manifest(LAYER)),
        ]
        for answer in answers:
            assert_error(answer, 405, "UNSUPPORTED")
        await assert_pulls(wire)
    assert memory.objects == before


async def test_an_index_may_list_missing_manifests_where_that_is_allowed(
    memory: MemoryStore,
) -> None:
    """REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS=none; blobs are required all the same."""
    async with serving(memory, replace(SETTINGS, require_children=False)) as wire:
        index = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",'
        index += b'"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",'
        index += f'"digest":"{Digest.of(b"absent")}","size":6}}]}}'.encode()
        answer = await wire.put_manifest("sparse", index, None)
        assert answer.status_code == 201, answer.text
        answer = await wire.put_manifest("v2", image_manifest(b"absent"))
        assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")


async def test_a_manifest_may_lack_its_blobs_where_validation_is_disabled(
    memory: MemoryStore,
) -> None:
    """REGISTRY_VALIDATION_DISABLED=true."""
    async with serving(memory, replace(SETTINGS, require_blobs=False)) as wire:
        answer = await wire.put_manifest("v2", image_manifest(b"absent"))
        assert answer.status_code == 201, answer.text


def test_a_wrapper_delegates_every_method_of_the_registry() -> None:
    """A missing method would be noticed only when it is called."""
    methods = {name for name in dir(Registry) if not name.startswith("_")}
    assert methods == {name for name in dir(Delegating) if not name.startswith("_")}


async def test_a_wrapper_passes_the_caller_on() -> None:
    """And stays the same wrapper, over a registry that shares everything with the others."""
    memory = MemoryStore()
    shared = WithoutDeletion(StoredRegistry(memory))
    alices = shared.for_caller("alice")
    assert isinstance(alices, WithoutDeletion)
    for registry, repository in ((alices, "by-alice"), (shared, "by-anyone")):
        await push_image(registry, repository, "v1", [LAYER])
    for repository, name in (("by-alice", "alice"), ("by-anyone", None)):
        [info] = (await shared.list_manifests(repository, ALL)).entries
        assert info.pushed_by == name
    with pytest.raises(Unsupported):
        await alices.delete_tag("by-alice", "v1")


async def test_a_wrapper_may_have_attributes_and_a_constructor_of_its_own() -> None:
    """It is copied for each caller, with all that it refers to."""

    class Noting(Delegating):
        def __init__(self, inner: Registry, opened: list[str]) -> None:
            super().__init__(inner)
            self.opened = opened

        async def open_blob(self, repository: str, digest: Digest) -> Blob:
            self.opened.append(repository)
            return await super().open_blob(repository, digest)

    registry = Noting(StoredRegistry(MemoryStore()), [])
    with pytest.raises(BlobUnknown):
        await registry.for_caller("alice").open_blob("a", Digest.of(b""))
    assert registry.opened == ["a"]


async def test_a_push_over_http_is_recorded_with_the_callers_name() -> None:
    memory = MemoryStore()
    async with connect(CountingStore(memory)) as client:
        token = await token_for(client, "repository:team/app:pull,push", auth=ALICE)
        client.headers.update(bearer(token))
        await Wire(client, "team/app", set).push_image("v1", LAYER)
    [info] = (await StoredRegistry(memory).list_manifests("team/app", ALL)).entries
    assert info.pushed_by == "alice"
