"""Faults at every storage call of every operation, in front of a real storage.

The operation succeeds, or it answers 503 with Retry-After and succeeds when it is repeated. Then a
new registry, without caches or faults, sees its effect.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator

import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.errors import StoreUnavailable
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.storage import ingest, ranged_reads
from tests.support.azurite import create_container, opened, opened_at
from tests.support.content import CONFIG, image_manifest
from tests.support.faults import Fault, FaultyStorage, faulty_storage, never, nth
from tests.support.operations import Client, Operation, Unavailable, new_layer, registry_over

pytestmark = pytest.mark.anyio

# Small blocks, so that large layers are fast; the number of calls stays the same.
BLOCK = 64 * 2**10
LARGE = 2 * BLOCK + 1000
# One try only, so that faults reach the registry.
LIMITS = Limits(retries=0, silence=0.3, copy=0.3, copy_whole=BLOCK, copy_piece=BLOCK)

# tests/object_store/test_azure_faults.py has each fault at each call of the store, and a registry
# cannot distinguish them: here, the hardest one at each call suffices, and at night others in turn.
HARDEST = Fault.TIMED_OUT
IN_TURN = itertools.cycle([fault for fault in Fault if fault is not HARDEST])


async def nothing(_: Client) -> None:
    pass


async def push_blobs(c: Client) -> None:
    await c.put_blob(CONFIG)
    await c.put_blob(c.layer)


async def push_image(c: Client) -> None:
    await c.push_image("v1")
    await c.put_manifest("other", c.manifest)


async def push_all(c: Client) -> None:
    await push_image(c)
    await c.put_manifest("signed", c.signature)


async def has_layer(c: Client) -> None:
    await c.has_blob(c.layer)


async def has_image(c: Client) -> None:
    await c.pull("v1", c.manifest, CONFIG, c.layer)
    await c.pull(str(Digest.of(c.manifest)), c.manifest)
    assert "v1" in await tags(c)


async def tags(c: Client) -> list[str]:
    listed: list[str] = (await c.send("GET", "tags/list", 200)).json()["tags"]
    return listed


def second(c: Client) -> bytes:
    return image_manifest(c.layer, annotations={"second": "yes"})


async def move_tag(c: Client) -> None:
    await c.put_manifest("v1", second(c))


async def has_moved(c: Client) -> None:
    await c.pull("v1", second(c), CONFIG, c.layer)
    await c.pull("other", c.manifest)


async def push_signature(c: Client) -> None:
    await c.put_manifest(str(Digest.of(c.signature)), c.signature)


async def has_signature(c: Client) -> None:
    await c.pull(str(Digest.of(c.signature)), c.signature)
    listed = json.loads((await c.send("GET", c.referrers, 200)).content)["manifests"]
    assert [entry["digest"] for entry in listed] == [str(Digest.of(c.signature))]


async def delete_tag(c: Client) -> None:
    await c.send("DELETE", "manifests/v1", 202, *c.gone_before)


async def has_lost_tag(c: Client) -> None:
    await c.lacks("manifests/v1")
    assert await tags(c) == ["other"]
    await c.pull("other", c.manifest, CONFIG, c.layer)


async def delete_manifest(c: Client) -> None:
    await c.send("DELETE", f"manifests/{Digest.of(c.manifest)}", 202, *c.gone_before)


async def has_lost_manifest(c: Client) -> None:
    for reference in ("v1", "other", Digest.of(c.manifest)):
        await c.lacks(f"manifests/{reference}")
    await c.pull("signed", c.signature, c.layer)


async def delete_blob(c: Client) -> None:
    await c.send("DELETE", f"blobs/{Digest.of(c.layer)}", 202, *c.gone_before)


async def has_lost_layer(c: Client) -> None:
    await c.lacks(f"blobs/{Digest.of(c.layer)}")
    await c.has_blob(CONFIG)


async def mount(c: Client) -> None:
    source = c.base.removeprefix("/v2/")
    digest = Digest.of(c.layer)
    await c.send("POST", f"{c.base}/mounted/blobs/uploads/?mount={digest}&from={source}", 201)


async def has_mounted(c: Client) -> None:
    await c.send("HEAD", f"{c.base}/mounted/blobs/{Digest.of(c.layer)}", 200)
    await has_layer(c)


async def list_all(c: Client) -> None:
    assert await tags(c) == ["other", "signed", "v1"]
    repositories = (await c.send("GET", "/v2/_catalog?n=1000", 200)).json()["repositories"]
    assert c.base.removeprefix("/v2/") in repositories
    await has_signature(c)


async def give_up(c: Client) -> None:
    location = (await c.send("POST", "blobs/uploads/", 202)).headers["Location"]
    answer = await c.send("PATCH", location, 202, content=c.layer)
    answer = await c.send("GET", answer.headers["Location"], 204)
    assert answer.headers["Range"] == f"0-{len(c.layer) - 1}"
    await c.send("DELETE", answer.headers["Location"], 204, *c.gone_before)


async def lacks_layer(c: Client) -> None:
    await c.lacks(f"blobs/{Digest.of(c.layer)}")


OPERATIONS = {
    "a small blob by PATCH": Operation(lambda c: c.patch_blob(c.layer), has_layer, nothing),
    "a small blob by PUT": Operation(lambda c: c.put_blob(c.layer), has_layer, nothing),
    "a large blob by PATCH": Operation(lambda c: c.patch_blob(c.layer), has_layer, nothing, LARGE),
    "a large blob by PUT": Operation(lambda c: c.put_blob(c.layer), has_layer, nothing, LARGE),
    "a blob in pieces": Operation(lambda c: c.patch_blob(c.layer, pieces=3), has_layer, nothing),
    "a manifest": Operation(lambda c: c.put_manifest("v1", c.manifest), has_image, push_blobs),
    "a tag that moves": Operation(move_tag, has_moved, push_image),
    "a referrer": Operation(push_signature, has_signature, push_image),
    "a tag deleted": Operation(delete_tag, has_lost_tag, push_image),
    "a manifest deleted": Operation(delete_manifest, has_lost_manifest, push_all),
    "a blob deleted": Operation(delete_blob, has_lost_layer, push_blobs),
    "a blob mounted": Operation(mount, has_mounted, push_blobs),
    "an image pulled": Operation(has_image, has_image, push_image, LARGE),
    "lists": Operation(list_all, list_all, push_all),
    "an upload given up": Operation(give_up, lacks_layer, nothing, LARGE),
}


@pytest.fixture(scope="module")
def container_name(azurite: Azurite) -> str:
    return create_container(azurite)


@pytest.fixture
async def storage(azurite: Azurite) -> AsyncIterator[FaultyStorage]:
    async with faulty_storage(azurite.port) as storage:
        yield storage


@pytest.fixture
async def faulty(storage: FaultyStorage, container_name: str) -> AsyncIterator[AzureBlobStore]:
    async with opened_at(storage.port, container_name, limits=LIMITS) as store:
        yield store


@pytest.fixture
async def faultless(azurite: Azurite, container_name: str) -> AsyncIterator[AzureBlobStore]:
    async with opened(azurite, container_name, limits=Limits(copy_whole=BLOCK)) as store:
        yield store


async def run(
    operation: Operation, faulty: AzureBlobStore, faultless: AzureBlobStore, storage: FaultyStorage
) -> int:
    """Run the operation with its faults. Returns how often it was answered with 503."""
    repository, layer = f"test/{new_layer(8).hex()}", new_layer(operation.size)
    fault, storage.choose = storage.choose, never
    async with registry_over(faultless) as http:
        await operation.prepare(Client(http, repository, layer))
    storage.choose = fault
    storage.requests.clear()
    unavailable = 0
    async with registry_over(faulty) as http:
        client = Client(http, repository, layer)
        while True:
            try:
                await operation.act(client)
                break
            except (Unavailable, StoreUnavailable):  # the latter: a truncated answer
                unavailable += 1
                client.gone_before = (404,)
                assert unavailable <= 5
    async with registry_over(faultless) as http:
        await operation.check(Client(http, repository, layer))
    return unavailable


@pytest.mark.parametrize("in_turn", [False, pytest.param(True, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_survives_a_fault_at_each_of_its_calls(
    *,
    storage: FaultyStorage,
    faulty: AzureBlobStore,
    faultless: AzureBlobStore,
    name: str,
    in_turn: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest, "BLOCK", BLOCK)
    monkeypatch.setattr(ranged_reads, "RANGE", BLOCK)
    operation = OPERATIONS[name]
    while await run(operation, faulty, faultless, storage):
        pass  # the machine is too busy
    calls = len(storage.requests)
    assert calls
    for number in range(1, calls + 1):
        storage.choose = nth(number, next(IN_TURN) if in_turn else HARDEST)
        await run(operation, faulty, faultless, storage)
    assert storage.injected[HARDEST] == (0 if in_turn else calls)
    assert storage.injected.total() == calls
