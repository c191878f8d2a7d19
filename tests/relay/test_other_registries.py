"""Where a registry offers no staging, or storage cannot be reached, the relay works, too."""

from __future__ import annotations

import os

import pytest
from aiohttp import web

from .relaying import MIB, RunningRelay
from .scripted_registry import ScriptedRegistry, digest_of

pytestmark = pytest.mark.anyio

LARGE = os.urandom(20 * MIB)


async def test_without_staging_a_body_is_sent_as_it_came(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """Whole, because registries differ in what they know of chunks; docker sends it so."""
    registry.staging = False
    location = await relay.patch(await relay.begin(), LARGE)
    finished = await relay.finish(location, digest_of(LARGE))

    assert (finished.status_code, registry.blobs) == (201, {digest_of(LARGE): LARGE})
    assert registry.operations == ["POST", "GET staging", "PATCH", "PUT"]
    assert "content-length" not in registry.received("PATCH").headers


async def test_without_staging_chunks_are_as_long_as_the_registry_advises(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    registry.staging, registry.chunk_limit = False, 6 * MIB
    finished = await relay.finish(await relay.begin(), digest_of(LARGE), LARGE)

    assert (finished.status_code, registry.blobs) == (201, {digest_of(LARGE): LARGE})
    chunks = [each for each in registry.requests if each.method == "PATCH"]
    assert [len(chunk.body) // MIB for chunk in chunks] == [6, 6, 6, 2]
    assert [chunk.query["state"] for chunk in chunks] == [str(n * 6 * MIB) for n in range(4)]
    assert not any("content-length" in chunk.headers for chunk in chunks)


async def test_what_a_registry_says_of_an_upload_may_be_odd(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """A chunk of 5,000 digits is no advice; a name outside ASCII is none that can be given on."""
    registry.staging = False
    headers = {
        "Location": f"{registry.url}/v2/team/app/blobs/uploads/id?state=0",
        "OCI-Chunk-Max-Length": "1" * 5000,
        "Docker-Upload-UUID": "\u65e5",
    }
    registry.instead["POST"] = [web.Response(status=202, headers=headers)]
    finished = await relay.finish(await relay.begin(), digest_of(LARGE), LARGE)
    assert finished.status_code == 201
    assert registry.operations == ["POST", "GET staging", "PATCH", "PUT"]


async def test_a_location_may_be_relative_to_the_request(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """RFC 9110, section 10.2.2."""
    registry.staging = False
    relative = web.Response(status=202, headers={"Location": "id?state=0"})
    registry.instead["POST"] = [relative]
    finished = await relay.finish(await relay.begin(), digest_of(LARGE), LARGE)
    assert (finished.status_code, registry.blobs) == (201, {digest_of(LARGE): LARGE})
    patched = registry.received("PATCH")
    assert (patched.path, patched.query) == ("/v2/team/app/blobs/uploads/id", {"state": "0"})


async def test_what_the_registry_refuses_is_refused_by_the_relay(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """With the registry's own answer, and its headers."""
    registry.staging = False
    error = {"errors": [{"code": "DENIED", "message": "the quota is used up"}]}
    registry.instead["PATCH"] = [web.json_response(error, status=403, headers={"X-Why": "quota"})]
    refused = await relay.send(await relay.begin(), LARGE)

    assert (refused.status_code, refused.json()) == (403, error)
    assert refused.headers["x-why"] == "quota"
    assert len(relay.pusher.table) == 0


async def test_an_upload_that_moves_to_another_host_is_refused(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    registry.staging = False
    elsewhere = {"Location": "https://other.example.com/v2/team/app/blobs/uploads/1"}
    registry.instead["PATCH"] = [web.Response(status=202, headers=elsewhere)]
    refused = await relay.send(await relay.begin(), LARGE)

    assert refused.status_code == 503
    assert "push without the relay" in refused.json()["errors"][0]["message"]


async def test_storage_that_refuses_is_not_used(
    relay: RunningRelay, registry: ScriptedRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """As behind a firewall. The layer goes through the registry, and so do the next ones."""
    registry.chunk_limit = 6 * MIB
    registry.instead["stage"] = [web.Response(status=403) for _ in range(2)]
    for _ in range(2):
        finished = await relay.finish(await relay.begin(), digest_of(LARGE), LARGE)
        assert (finished.status_code, registry.blobs) == (201, {digest_of(LARGE): LARGE})

    to_storage = [each for each in registry.requests if each.operation == "stage"]
    assert len(to_storage) == 2  # once more with a new staging
    assert "storage cannot be used from here" in caplog.text
    assert "sig=" not in caplog.text
