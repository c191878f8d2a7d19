"""Pushes through the relay: small blobs to the registry, large ones to its storage in blocks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from aiohttp import web

from registry_core.relay import upstream
from registry_core.relay.memory import IN_FLIGHT
from tests.support.eventually import eventually

from .relaying import CREDENTIALS, MIB, RunningRelay, in_pieces
from .scripted_registry import ScriptedRegistry, digest_of

pytestmark = pytest.mark.anyio

SMALL = b"a small blob"
LARGE = os.urandom(20 * MIB)


async def test_a_small_blob_is_sent_in_one_request(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """In chunks, without a length, which costs a Functions host less."""
    location = await relay.patch(await relay.begin(), SMALL)
    finished = await relay.finish(location, digest_of(SMALL))

    assert finished.status_code == 201
    assert finished.headers["location"] == f"{relay.url}/v2/team/app/blobs/{digest_of(SMALL)}"
    assert registry.operations == ["POST", "PUT"]
    put = registry.received("PUT")
    assert (put.body, put.query["state"]) == (SMALL, "0")
    assert "content-length" not in put.headers


async def test_an_empty_blob_is_pushed(relay: RunningRelay, registry: ScriptedRegistry) -> None:
    finished = await relay.finish(await relay.begin(), digest_of(b""))

    assert (finished.status_code, registry.blobs) == (201, {digest_of(b""): b""})


async def test_a_large_layer_goes_straight_to_storage(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """The registry gets none of its bytes, and storage none of the caller's credentials."""
    location = await relay.patch(await relay.begin(), LARGE)
    finished = await relay.finish(location, digest_of(LARGE))

    assert finished.status_code == 201
    assert registry.operations == ["POST", "GET staging", "PUT blocks"]
    assert registry.received("PUT blocks").body == b""
    assert registry.blobs == {digest_of(LARGE): LARGE}
    assert sorted(map(len, registry.blocks.values())) == [4 * MIB, 8 * MIB, 8 * MIB]
    to_storage = [each for each in registry.requests if each.operation == "stage"]
    assert not any("authorization" in each.headers for each in to_storage)
    assert {
        each.headers["authorization"] for each in registry.requests if each not in to_storage
    } == {CREDENTIALS}


async def test_the_answers_to_an_upload_have_what_clients_need(relay: RunningRelay) -> None:
    """``docker`` needs ``Range`` and ``Location``, others the id."""
    patched = await relay.send(await relay.begin(), LARGE)
    location = patched.headers["location"]
    status = await relay.http.get(location)

    for answer, code in ((patched, 202), (status, 204)):
        assert answer.status_code == code
        assert answer.headers["range"] == f"0-{len(LARGE) - 1}"
        assert answer.headers["location"] == location
        assert answer.headers["docker-upload-uuid"] == "uuid-of-id-0"
    assert location.startswith(f"{relay.url}/v2/team/app/blobs/uploads/")


@pytest.mark.parametrize("sizes", [[5, 5, 2], [9 * MIB, 7, 10 * MIB]])
async def test_several_patches_make_one_blob(
    relay: RunningRelay, registry: ScriptedRegistry, sizes: list[int]
) -> None:
    content, offset = os.urandom(sum(sizes)), 0
    location = await relay.begin()
    for size in sizes:
        range_ = f"{offset}-{offset + size - 1}"
        part = content[offset : offset + size]
        answer = await relay.http.patch(location, content=part, headers={"Content-Range": range_})
        assert answer.status_code == 202, answer.text
        location, offset = answer.headers["location"], offset + size
    finished = await relay.finish(location, digest_of(content))

    assert (finished.status_code, registry.blobs) == (201, {digest_of(content): content})


async def test_a_part_that_does_not_follow_is_refused(relay: RunningRelay) -> None:
    """The answer says where the next one begins, and the upload goes on there."""
    location = await relay.patch(await relay.begin(), b"12345")
    refused = await relay.http.patch(location, content=b"8", headers={"Content-Range": "7-7"})
    finished = await relay.finish(location, digest_of(b"12345"))

    assert (refused.status_code, refused.headers["range"]) == (416, "0-4")
    assert finished.status_code == 201


async def test_a_part_that_is_sent_twice_counts_once(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """As where a client has lost the answer: its URL says what the upload had before."""
    first = await relay.begin()
    location = await relay.patch(first, SMALL)
    repeated = await relay.send(first, SMALL)
    finished = [await relay.finish(location, digest_of(SMALL)) for _ in range(2)]

    assert (repeated.status_code, repeated.headers["location"]) == (416, location)
    assert [answer.status_code for answer in finished] == [201, 201]
    assert registry.operations == ["POST", "PUT"]


async def test_nobody_continues_an_upload_whose_key_they_do_not_have(
    relay: RunningRelay, caplog: pytest.LogCaptureFixture
) -> None:
    """The key is in the query of its URL, and in no log."""
    caplog.set_level("INFO")
    location = await relay.begin()
    key = location.partition("_state=0.")[2]
    for wrong in (location.partition("?")[0], location.replace(key, "x" * len(key))):
        assert (await relay.send(wrong, SMALL)).status_code == 404
    location = await relay.patch(location, SMALL)
    assert (await relay.finish(location.replace(key, "x"), digest_of(SMALL))).status_code == 404
    assert (await relay.finish(location, digest_of(SMALL))).status_code == 201
    assert (await relay.finish(location.replace(key, "x"), digest_of(SMALL))).status_code == 404
    log = [each.getMessage() for each in caplog.records if each.name.startswith("registry_core")]
    assert any("operation=AppendUpload" in line for line in log)
    assert not any(key in line for line in log)


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_a_whole_blob_comes_with_the_last_request(
    relay: RunningRelay, registry: ScriptedRegistry, content: bytes
) -> None:
    """POST and PUT with a length, as containerd, ORAS and Helm push."""
    finished = await relay.finish(await relay.begin(), digest_of(content), content)

    assert (finished.status_code, registry.blobs) == (201, {digest_of(content): content})


@pytest.mark.parametrize(
    "content, operations",
    [(SMALL, ["POST"]), (LARGE, ["POST", "GET staging", "PUT blocks"])],
    ids=["small", "large"],
)
async def test_a_whole_blob_comes_with_the_first_request(
    relay: RunningRelay, registry: ScriptedRegistry, content: bytes, operations: list[str]
) -> None:
    """POST with the digest: end-4b."""
    pushed = await relay.http.post(
        "/v2/team/app/blobs/uploads/", params={"digest": digest_of(content)}, content=content
    )

    assert (pushed.status_code, registry.blobs) == (201, {digest_of(content): content})
    assert registry.operations == operations
    assert len(relay.pusher.table) == 0


async def test_a_mount_is_forwarded(relay: RunningRelay, registry: ScriptedRegistry) -> None:
    blob = f"{registry.url}/v2/team/app/blobs/{digest_of(SMALL)}"
    registry.instead["POST mount"] = [web.Response(status=201, headers={"Location": blob})]
    query = f"?mount={digest_of(SMALL)}&from=other"
    mounted = await relay.http.post(f"/v2/team/app/blobs/uploads/{query}")

    assert mounted.status_code == 201
    assert mounted.headers["location"] == blob.replace(registry.url, relay.url)


async def test_a_mount_that_is_not_possible_is_an_upload(relay: RunningRelay) -> None:
    location = await relay.begin(f"?mount={digest_of(SMALL)}&from=other")
    location = await relay.patch(location, SMALL)

    assert (await relay.finish(location, digest_of(SMALL))).status_code == 201


async def test_a_cancelled_upload_is_cancelled_in_the_registry(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    location = await relay.begin()
    assert (await relay.http.delete(location)).status_code == 204
    assert registry.operations == ["POST", "DELETE"]
    gone = await relay.http.get(location)
    assert (gone.status_code, gone.json()["errors"][0]["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")


async def test_the_registry_may_take_its_time_to_hash(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """Until it is done it answers 429, and when the request should come again."""
    registry.instead["PUT blocks"] = [
        web.Response(status=429, headers={"Retry-After": "0"}) for _ in range(12)
    ]
    finished = await relay.finish(await relay.begin(), digest_of(LARGE), LARGE)

    assert (finished.status_code, registry.blobs) == (201, {digest_of(LARGE): LARGE})


async def test_an_upload_whose_last_answer_was_lost_is_finished(
    relay: RunningRelay, registry: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "_FIRST_DELAY", 0.0)
    registry.blobs[digest_of(LARGE)] = LARGE
    registry.instead["PUT blocks"] = [web.Response(status=502), web.Response(status=404)]
    finished = await relay.finish(await relay.begin(), digest_of(LARGE), LARGE)

    assert finished.status_code == 201
    assert finished.headers["location"] == f"/v2/team/app/blobs/{digest_of(LARGE)}"


async def test_an_upload_that_the_registry_has_forgotten_is_not_finished(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    registry.blobs[digest_of(LARGE)] = LARGE
    registry.instead["PUT blocks"] = [web.Response(status=404)]
    finished = await relay.finish(await relay.begin(), digest_of(LARGE), LARGE)

    assert finished.status_code == 404


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_a_push_with_expired_credentials_can_be_repeated(
    relay: RunningRelay, registry: ScriptedRegistry, content: bytes
) -> None:
    """The whole body comes again, and counts once."""
    challenge = {"WWW-Authenticate": 'Bearer realm="https://auth.example.com/token"'}
    for operation in ("PUT", "PUT blocks"):
        registry.instead[operation] = [web.Response(status=401, headers=challenge)]
    location = await relay.begin()
    refused = await relay.finish(location, digest_of(content), content)
    finished = await relay.finish(location, digest_of(content), content)

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == challenge["WWW-Authenticate"]
    assert (finished.status_code, registry.blobs) == (201, {digest_of(content): content})


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_wrong_content_ends_the_upload(
    relay: RunningRelay, registry: ScriptedRegistry, content: bytes
) -> None:
    location = await relay.begin()
    refused = await relay.finish(location, digest_of(b"other content"), content)

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "DIGEST_INVALID"
    assert (await relay.http.get(location)).status_code == 404
    assert registry.operations[-1] == "DELETE"


async def test_a_client_that_hangs_up_ends_its_upload(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    location = await relay.begin()

    async def broken() -> AsyncIterator[bytes]:
        async for piece in in_pieces(LARGE):
            yield piece
        raise ConnectionError

    with suppress(ConnectionError, httpx.TransportError):
        await relay.http.patch(location, content=broken())

    async def cancelled() -> bool:
        return registry.operations[-1] == "DELETE"

    await eventually(cancelled)
    assert len(relay.pusher.table) == 0


async def test_a_block_that_storage_does_not_take_is_sent_again(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    registry.instead["stage"] = [web.Response(status=503), web.Response(status=500)]
    finished = await relay.finish(await relay.begin(), digest_of(LARGE), LARGE)

    assert (finished.status_code, registry.blobs) == (201, {digest_of(LARGE): LARGE})


async def test_a_staging_that_expires_is_renewed(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    registry.staging_seconds, registry.block_seconds = 2.0, 1.1
    finished = await relay.finish(await relay.begin(), digest_of(LARGE), LARGE)

    assert finished.status_code == 201
    assert registry.operations.count("GET staging") > 1


async def test_an_upload_that_continues_elsewhere_is_the_clients(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    elsewhere = {"Location": "https://storage.example.com/upload?sig=1"}
    registry.instead["POST"] = [web.Response(status=202, headers=elsewhere)]

    assert await relay.begin() == elsewhere["Location"]


async def test_registries_take_the_relay_for_no_other_client(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """To a client that can upload straight to storage, the answer would be for that client only."""
    await relay.begin()

    agent = registry.received("POST").headers["user-agent"]
    assert agent.startswith("moorage")
    assert "containerd" not in agent


async def test_blocks_under_way_are_bounded_over_all_uploads(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """Each of three uploads would have four, and waits."""
    registry.free_blocks = 3  # the first of each, which tries whether storage can be reached
    pushes = [
        asyncio.ensure_future(relay.patch(await relay.begin(), bytes(48 * MIB))) for _ in range(3)
    ]
    budget = relay.pusher._memory.in_flight

    async def full() -> bool:
        return registry.waiting == IN_FLIGHT // (8 * MIB) and budget._turn.locked()

    await eventually(full)
    registry.may_answer.set()
    await asyncio.gather(*pushes)

    async def empty() -> bool:
        return budget._used == 0

    await eventually(empty)
