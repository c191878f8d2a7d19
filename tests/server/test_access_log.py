"""Every request is answered, and logged in one line."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from registry_core.app import RegistryApp, build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.memory import MemoryStore
from registry_core.observe import count_storage_call
from registry_core.server.access_log import log as access_log
from registry_core.server.access_log import logged, name_operation
from registry_core.spec.digest import Digest
from tests.support.counting import CountingStore
from tests.support.wire import Wire

pytestmark = pytest.mark.anyio

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough", redirect=False)
LINE = re.compile(
    r"operation=(\S+) repository=(\S+) status=(\d+) received=(\d+) sent=(\d+) ms=\d+ storage=(\d+)"
)


@pytest.fixture(autouse=True)
def _capture_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, access_log.name)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    store = MemoryStore()
    app = build_application(SETTINGS, build_registry(SETTINGS, store))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://registry.test"
    ) as client:
        yield client


async def test_a_line_has_operation_repository_status_and_bytes(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    layer = b"a layer of some bytes"
    await Wire(client, "team/app", set).push_image("v1", layer)
    caplog.clear()
    await client.get(f"/v2/team/app/blobs/{Digest.of(layer)}")
    await client.put(f"/v2/team/app/blobs/uploads/x?digest={Digest.of(layer)}", content=b"12345")
    await client.get("/v2/")
    await client.get("/")
    matches = [LINE.fullmatch(line) for line in caplog.messages]
    assert [match.groups()[:5] for match in matches if match] == [
        ("GetBlob", "team/app", "200", "0", str(len(layer))),
        ("FinishUpload", "team/app", "404", "0", matches[1][5] if matches[1] else ""),
        ("CheckVersion", "-", "200", "0", "2"),
        ("Home", "-", "200", "0", matches[3][5] if matches[3] else ""),
    ]


async def test_received_bytes_are_counted(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    upload = (await client.post("/v2/a/blobs/uploads/")).headers["Location"]
    await client.patch(upload, content=bytes(1234))
    assert (
        "operation=AppendUpload repository=a status=202 received=1234 sent=0 "
        in caplog.messages[-1]
    )


@pytest.mark.parametrize(
    "path",
    [
        "/v2/a%0aoperation=forged/tags/list",
        "/v2/team/app/nothing",
        "/v2/UPPER/tags/list",
        "/v2/" + "a" * 9000,
    ],
)
async def test_a_request_that_cannot_be_parsed_is_logged_without_names(
    client: httpx.AsyncClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Their parts could be anything, such as forged lines or secrets."""
    await client.get(path)
    assert caplog.messages[-1].startswith("operation=- repository=- status=4")


async def test_neither_credentials_nor_upload_urls_are_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.headers["Authorization"] = "Bearer credential-of-alice"
    upload = (await client.post("/v2/a/blobs/uploads/?unknown=secret-in-query")).headers["Location"]
    state = httpx.URL(upload).params["_state"]
    await client.patch(upload, content=b"x")
    await client.put(upload + "&digest=wrong", content=b"x")
    of_registry = [r.getMessage() for r in caplog.records if r.name.startswith("registry_core")]
    assert len(of_registry) >= 3
    for secret in ("credential-of-alice", "secret-in-query", state):
        assert [line for line in of_registry if secret in line] == []


async def test_storage_calls_are_counted_until_the_answer_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those of tasks that the request starts are counted, too."""

    async def call() -> None:
        await asyncio.sleep(0)
        count_storage_call()

    async def body() -> AsyncIterator[bytes]:
        count_storage_call()
        yield b"x"

    async def answer(request: Request) -> Response:
        name_operation(request.scope, "GetBlob", "a")
        await asyncio.gather(call(), call())
        return StreamingResponse(body())

    async with _client(answer) as client:
        await asyncio.gather(client.get("/"), client.get("/"))
    assert [line.endswith("storage=3") for line in caplog.messages] == [True, True]


async def test_an_answer_that_breaks_off_is_logged_as_broken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionError("storage is unreachable")

    async def answer(_request: Request) -> Response:
        return StreamingResponse(body())

    async with _client(answer) as client:
        with pytest.raises(ConnectionError):
            await client.get("/")
    assert caplog.messages[-1].endswith(" broken")
    assert "status=200 received=0 sent=4 " in caplog.messages[-1]


async def test_an_early_line_is_written_before_a_stream_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The Functions host drops what a function logs after it has returned."""
    lines: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        lines.append(len(caplog.messages))
        yield b"x" * 7

    async def answer(_request: Request) -> Response:
        return StreamingResponse(body(), headers={"Content-Length": "7"})

    for early in (False, True):
        async with _client(answer, early=early) as client:
            await client.get("/")
    assert lines == [0, 2]
    assert [" sent=7 " in line for line in caplog.messages] == [True, True]


async def test_a_handler_that_is_cancelled_from_within_is_answered() -> None:
    """Otherwise Functions' worker would not treat it as a failure, and the request would wait."""

    async def answer(_request: Request) -> Response:
        raise asyncio.CancelledError

    async with _client(answer) as client:
        assert (await client.get("/")).status_code == 500


async def test_a_cancelled_request_is_not_answered() -> None:
    async def answer(_request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with _client(answer) as client:
        waiting = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_the_access_log_can_be_disabled(caplog: pytest.LogCaptureFixture) -> None:
    for wanted in (False, True):
        settings = Settings(AzureStorage("unused"), SETTINGS.http_secret, log_requests=wanted)
        app = RegistryApp(settings, lambda _: CountingStore(MemoryStore()))
        transport = httpx.ASGITransport(app.application)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://registry.test"
        ) as client:
            await client.get("/v2/")
        await app.close()
        assert len(caplog.messages) == wanted


def _client(answer: object, *, early: bool = False) -> httpx.AsyncClient:
    """Return a client of an application with one handler."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        response = await logged(Request(scope, receive), answer, early=early)  # type: ignore[arg-type]
        await response(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(serve), base_url="http://registry.test")
