"""Failures on the way: clients hang up, storage is unavailable, instances change."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from tests.support.azurite import create_container, everything_in
from tests.support.content import CONFIG, image_manifest, random_bytes
from tests.support.host import RunningHost
from tests.support.hosts import HOSTS, HostKind, registry_under
from tests.support.wire import Wire, assert_error, fresh_name, over_http

pytestmark = pytest.mark.anyio

LARGE = random_bytes(20 * 2**20)
SECRET = "a secret for tests, which is long enough"


def environment(azurite: Azurite, container: str) -> dict[str, str]:
    return {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container,
        "REGISTRY_HTTP_SECRET": SECRET,
    }


@pytest.fixture(scope="module", params=HOSTS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> HostKind:
    """Each kind of host in turn."""
    kind: HostKind = request.param
    return kind


@pytest.fixture(scope="module")
def container(azurite: Azurite) -> str:
    return create_container(azurite)


@pytest.fixture(scope="module")
def host(kind: HostKind, azurite: Azurite, container: str) -> Iterator[RunningHost]:
    with registry_under(kind, environment(azurite, container)) as host:
        yield host


def send_and_hang_up(url: str, method: str, location: str, headers: str, body: bytes) -> None:
    address = urlsplit(url)
    target = urlsplit(location)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = f"{method} {target.path}?{target.query} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n"
        connection.sendall(head.encode() + body)


def wait_for(host: RunningHost, text: str, start: int) -> None:
    """Wait until the log contains ``text`` after its first ``start`` characters."""
    deadline = time.monotonic() + 30
    while text not in host.log()[start:]:
        assert time.monotonic() < deadline, host.log()[start:]
        time.sleep(0.05)


def committed(azurite: Azurite, container: str) -> set[str]:
    return {found.path for found in everything_in(azurite, container) if found.committed}


def one_chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("size", [1000, 18 * 2**20], ids=["small", "large"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(
    *,
    kind: HostKind,
    host: RunningHost,
    azurite: Azurite,
    container: str,
    method: str,
    size: int,
    framing: str,
) -> None:
    """end-5, end-6. A host that reads bodies ahead never calls the registry for such a request."""
    content = os.urandom(20 * 2**20)
    start, before = len(host.log()), committed(azurite, container)
    async with over_http(host.url) as client:
        wire = Wire(client, fresh_name(), set)
        location = await wire.start()
        if method == "PUT":
            location = f"{location}&digest={Digest.of(content)}"
        if framing == "length":
            headers, body = f"Content-Length: {len(content)}", content[:size]
        else:
            headers, body = "Transfer-Encoding: chunked", one_chunk(content[:size])
        send_and_hang_up(host.url, method, location, headers, body)
        heard = framing == "chunked" or not kind.reads_ahead
        wait_for(host, "the client disconnected" if heard else kind.hang_up, start)
        assert heard == ("the client disconnected" in host.log()[start:])
        assert committed(azurite, container) == before
        digest = Digest.of(content)
        assert (await wire.finish(await wire.start(), digest, content)).status_code == 201


async def test_unavailable_storage_is_503_until_it_is_back(kind: HostKind, tmp_path: Path) -> None:
    """end-2 to end-8a: each answer has Retry-After, and the retry succeeds."""
    with Azurite(tmp_path) as azurite:
        container = create_container(azurite)
        with registry_under(kind, environment(azurite, container)) as host:
            async with over_http(host.url) as client:
                wire = Wire(client, fresh_name(), set)
                manifest = await wire.push_image("v1", b"layer")
                location = await wire.start()
                azurite.stop()
                answers = [
                    await client.get(f"{wire.base}/manifests/v1"),
                    await client.get(f"{wire.base}/blobs/{Digest.of(b'never seen')}"),
                    await client.get(f"{wire.base}/tags/list"),
                    await wire.patch(location, LARGE),
                    await wire.finish(location, Digest.of(b"x"), b"x"),
                    await wire.put_manifest("v2", image_manifest(b"layer")),
                ]
                for answer in answers:
                    assert_error(answer, 503, "UNAVAILABLE")
                    assert int(answer.headers["Retry-After"]) > 0
                assert (await client.get("/v2/")).status_code == 200
                azurite.start()
                pulled = await client.get(f"{wire.base}/manifests/v1")
                assert pulled.content == manifest
                assert (await wire.patch(location, LARGE)).status_code == 202
                assert (await wire.put_manifest("v2", manifest)).status_code == 201


async def test_any_instance_serves_any_request_of_an_upload(
    kind: HostKind, azurite: Azurite, container_name: str
) -> None:
    """end-4a to end-6: two hosts on one container, requests alternating between them."""
    settings = environment(azurite, container_name)
    with registry_under(kind, settings) as first, registry_under(kind, settings) as second:
        a = over_http(first.url)
        b = over_http(second.url)
        async with a, b:
            wire_a, wire_b = (Wire(client, "no/affinity", set) for client in (a, b))
            for content in (b"small" * 9, LARGE):
                third = len(content) // 3
                digest = Digest.of(content)
                location = local(await wire_a.start())
                answer = await wire_b.patch(location, content[:third])
                answer = await wire_a.patch(local(answer.headers["Location"]), content[third:-1])
                status = await b.get(local(answer.headers["Location"]))
                assert status.headers["Range"] == f"0-{len(content) - 2}"
                location = local(status.headers["Location"])
                answer = await wire_a.finish(location, digest, content[-1:])
                assert answer.status_code == 201, answer.text
                url = f"{wire_b.base}/blobs/{digest}"
                assert (await b.get(url, follow_redirects=True)).content == content
            await wire_a.push_blob(CONFIG)
            manifest = image_manifest(LARGE)
            assert (await wire_b.put_manifest("v1", manifest)).status_code == 201
            assert (await a.get(f"{wire_a.base}/manifests/v1")).content == manifest


def local(location: str) -> str:
    """Return the location without its host, for a request to another host."""
    parts = urlsplit(location)
    return f"{parts.path}?{parts.query}"
