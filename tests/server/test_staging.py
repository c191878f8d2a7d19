"""Staging over HTTP: where a client stages blocks, and how it makes a blob of them."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from registry_core import MemoryStore, StoredRegistry, asgi
from registry_core.server.audit import log as audit_log
from registry_core.spec.digest import Digest
from registry_core.spec.staging import STAGING, Staging
from registry_core.wrappers import Delegating
from tests.support.counting import CountingStore
from tests.support.in_process import client_of
from tests.support.stager import SECRET, STORAGE, StagingRegistry, Storage
from tests.support.wire import Wire, assert_error

from .users import ALICE, BOB, CAROL, authenticator

pytestmark = pytest.mark.anyio

LAYER = b"a layer"
DIGEST = Digest.of(LAYER)


@pytest.fixture
def storage() -> Storage:
    return Storage()


@asynccontextmanager
async def serving(storage: Storage, store: CountingStore | MemoryStore) -> AsyncIterator[Wire]:
    """Serve a registry to alice, who may push."""
    registry = StagingRegistry(StoredRegistry(store), storage)
    app = asgi(
        registry, secret="a secret for tests, which is long enough", authenticator=authenticator()
    )
    async with client_of(app) as client:
        client.auth = ALICE
        yield Wire(client, "a", set)


@pytest.fixture
async def wire(storage: Storage) -> AsyncIterator[Wire]:
    async with serving(storage, MemoryStore()) as wire:
        yield wire


async def stage(wire: Wire, storage: Storage, location: str, content: bytes = LAYER) -> None:
    answer = await wire.client.get(f"{location}&staging=1")
    storage.put(Staging.parse(answer.content).block_url(0), content)


async def test_the_answer_says_where_blocks_are_staged_and_is_kept_by_nobody(
    storage: Storage,
) -> None:
    """Besides it has what the status of an upload has. No storage call."""
    counting = CountingStore(MemoryStore())
    async with serving(storage, counting) as wire:
        begun = await wire.client.post(f"{wire.base}/blobs/uploads/")
        answer = await wire.client.get(f"{begun.headers['Location']}&staging=1")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == STAGING
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Range"] == "0-0"
    assert answer.headers["Docker-Upload-UUID"] == begun.headers["Docker-Upload-UUID"]
    assert answer.headers["Location"].startswith("http://registry.test/v2/a/blobs/uploads/")
    staging = Staging.parse(answer.content)
    assert staging.block_url(7).startswith(f"{STORAGE}/{begun.headers['Docker-Upload-UUID']}?")
    assert counting.calls == []


async def test_staged_blocks_become_a_blob(wire: Wire, storage: Storage) -> None:
    location = await wire.start()
    await stage(wire, storage, location)
    answer = await wire.client.put(f"{location}&digest={DIGEST}&blocks=1")
    assert answer.status_code == 201, answer.text
    assert answer.headers["Docker-Content-Digest"] == str(DIGEST)
    assert answer.headers["Location"].endswith(f"/v2/a/blobs/{DIGEST}")
    assert (await wire.client.get(f"{wire.base}/blobs/{DIGEST}")).content == LAYER


async def test_what_is_not_hashed_yet_is_429_and_the_same_request_goes_on(
    wire: Wire, storage: Storage
) -> None:
    """The answer has all that the next request takes."""
    location = await wire.start()
    await stage(wire, storage, location)
    storage.busy = [True, True]
    for _ in range(2):
        answer = await wire.client.put(f"{location}&digest={DIGEST}&blocks=1")
        assert_error(answer, 429, "TOOMANYREQUESTS")
        assert answer.headers["Retry-After"] == "1"
        location = answer.headers["Location"]
    answer = await wire.client.put(f"{location}&digest={DIGEST}&blocks=1")
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("has_length", [True, False])
async def test_a_body_beside_blocks_is_refused(
    wire: Wire, storage: Storage, *, has_length: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield LAYER

    location = await wire.start()
    await stage(wire, storage, location)
    content = LAYER if has_length else pieces()
    answer = await wire.client.put(f"{location}&digest={DIGEST}&blocks=1", content=content)
    assert "one of the two" in assert_error(answer, 400, "SIZE_INVALID")
    assert (await wire.client.head(f"{wire.base}/blobs/{DIGEST}")).status_code == 404


@pytest.mark.parametrize("blocks", ["0", "-1", "50001", "x", "1e3", "99999999999999999999"])
async def test_a_number_of_blocks_that_no_upload_has_is_refused(wire: Wire, blocks: str) -> None:
    answer = await wire.client.put(f"{await wire.start()}&digest={DIGEST}&blocks={blocks}")
    assert "1 to 50000" in assert_error(answer, 400, "SIZE_INVALID")


async def test_blocks_without_a_digest_are_refused(wire: Wire) -> None:
    answer = await wire.client.put(f"{await wire.start()}&blocks=1")
    assert_error(answer, 400, "DIGEST_INVALID")


async def test_staging_needs_the_right_to_push_and_the_status_does_not(wire: Wire) -> None:
    location = await wire.start()
    answer = await wire.client.get(f"{location}&staging=1", auth=CAROL)
    assert_error(answer, 403, "DENIED")
    answer = await wire.client.get(location, auth=CAROL)
    assert "another user" in assert_error(answer, 404, "BLOB_UPLOAD_UNKNOWN")


async def test_nobody_stages_or_finishes_the_upload_of_another_caller(
    wire: Wire, storage: Storage
) -> None:
    location = await wire.start()
    await stage(wire, storage, location)
    for method, query in (("GET", "staging=1"), ("PUT", f"digest={DIGEST}&blocks=1")):
        answer = await wire.client.request(method, f"{location}&{query}", auth=BOB)
        assert "another user" in assert_error(answer, 404, "BLOB_UPLOAD_UNKNOWN")


async def test_a_registry_without_staging_answers_with_the_status() -> None:
    app = asgi(
        Delegating(StoredRegistry(MemoryStore())), secret="a secret for tests, which is long enough"
    )
    async with client_of(app) as client:
        wire = Wire(client, "a", set)
        location = await wire.start()
        answer = await client.get(f"{location}&staging=1")
    assert (answer.status_code, answer.content) == (204, b"")


async def test_on_loopback_storage_has_another_name_than_the_registry(storage: Storage) -> None:
    """Go's clients would send their credentials along."""
    storage.host = "http://127.0.0.1:10000"
    async with serving(storage, MemoryStore()) as wire:
        location = await wire.start()
        headers = {"Host": "127.0.0.1:5000"}
        answer = await wire.client.get(f"{location}&staging=1", headers=headers)
    assert Staging.parse(answer.content).url.startswith("http://localhost:10000/")


async def test_no_log_has_the_url(
    wire: Wire, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither that of requests, nor that of writes, nor that of faults."""
    caplog.set_level(logging.DEBUG, "registry_core")
    caplog.set_level(logging.INFO, audit_log.name)
    location = await wire.start()
    await stage(wire, storage, location, b"other content")
    assert (await wire.client.put(f"{location}&digest={DIGEST}&blocks=1")).status_code == 400
    del storage.content[next(iter(storage.content))]  # which the fake answers with a KeyError
    assert (await wire.client.put(f"{location}&digest={DIGEST}&blocks=1")).status_code == 500
    assert "KeyError" in caplog.text
    assert SECRET not in caplog.text


async def test_the_audit_log_has_one_line_for_a_staged_blob(
    wire: Wire, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """None for requests that only go on."""
    caplog.set_level(logging.INFO, audit_log.name)
    location = await wire.start()
    await stage(wire, storage, location)
    storage.busy = [True]
    for _ in range(2):
        await wire.client.put(f"{location}&digest={DIGEST}&blocks=1")
    [line] = [text for text in caplog.messages if text.startswith("audit ")]
    fields = json.loads(line.removeprefix("audit "))
    assert fields["action"] == "push_blob"
    assert (fields["subject"], fields["digest"]) == ("alice", str(DIGEST))
