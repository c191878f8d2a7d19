"""The application as ASGI callable: every request reaches an endpoint or is an OCI error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Self

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from registry_core.aio import Lazy
from registry_core.app import build_registry
from registry_core.auth.caller import Caller, Open
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Registry
from registry_core.server.application import HANDLERS, Application
from registry_core.server.context import ServerContext
from registry_core.server.sealing import PAGE, Sealer
from registry_core.server.sessions import SessionSealer, UploadSession
from registry_core.server.urls import Urls
from registry_core.spec.endpoints import CheckVersion
from registry_core.spec.routes import ENDPOINTS
from registry_core.wrappers import ReadOnly
from tests.support.wire import OCTETS, Wire, assert_error

pytestmark = pytest.mark.anyio

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough", redirect=False)


class CountingSealer(SessionSealer):
    """Counts how often it opens a session."""

    opened = 0

    def open(self, repository: str, upload_id: str, text: str) -> UploadSession:
        type(self).opened += 1
        return super().open(repository, upload_id, text)


@pytest.fixture
def context() -> ServerContext:
    registry = build_registry(SETTINGS, MemoryStore())
    return ServerContext(
        Lazy.of(registry),
        CountingSealer(SETTINGS.http_secret),
        Urls(),
        Open(),
        pages=Sealer(SETTINGS.http_secret, PAGE),
    )


@pytest.fixture
async def client(context: ServerContext) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(Application(context)) as client:
        yield client


def _client(application: Application) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application)
    return httpx.AsyncClient(transport=transport, base_url="http://registry.test")


async def _get(application: Application, path: str) -> tuple[int, bytes]:
    """Return the answer to a path that HTTP clients would not send."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "server": None,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"registry.test")],
    }
    await application(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_every_endpoint_has_a_handler() -> None:
    assert set(HANDLERS) | {CheckVersion} == set(ENDPOINTS)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_home_page_says_how_to_pull_and_push(
    client: httpx.AsyncClient, method: str
) -> None:
    answer = await client.request(method, "/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert method == "HEAD" or "docker pull registry.test/NAME:TAG" in answer.text


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
async def test_the_api_is_below_v2(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize("path", ["/auth/token", "/auth", "/oauth2/token", "/oauth2/exchange"])
async def test_without_a_token_service_its_paths_are_404(
    client: httpx.AsyncClient, path: str
) -> None:
    message = assert_error(await client.get(path), 404, "NAME_UNKNOWN")
    assert message == "this registry has no token service of its own"


@pytest.mark.parametrize(
    "path",
    ["/favicon.ico", "/v1/", "/V2/", "//", "//v2/", "/v2//", "/authx", "/a\n", "/v2/\n", "", "*"],
)
async def test_other_paths_are_404(context: ServerContext, path: str) -> None:
    status, body = await _get(Application(context), path)
    assert status == 404
    assert b"NAME_UNKNOWN" in body


async def test_a_method_that_no_endpoint_has_is_405(client: httpx.AsyncClient) -> None:
    answer = await client.request("BREW", "/v2/a/tags/list")
    assert_error(answer, 405, "UNSUPPORTED")
    assert answer.headers["Allow"] == "GET"


async def test_a_lifespan_begins_with_startup_and_ends_with_shutdown(
    context: ServerContext,
) -> None:
    events: list[str] = []
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        return {"type": next(messages)}

    async def send(message: Message) -> None:
        events.append(message["type"])

    async def startup() -> None:
        events.append("startup")

    async def shutdown() -> None:
        events.append("shutdown")

    application = Application(context, startup=startup, shutdown=shutdown)
    await application({"type": "lifespan"}, receive, send)
    assert events == [
        *("startup", "lifespan.startup.complete"),
        *("shutdown", "lifespan.shutdown.complete"),
    ]


async def test_a_websocket_is_not_served(context: ServerContext) -> None:
    async def unused(*_: Any) -> Any:
        raise AssertionError

    receive: Receive = unused
    send: Send = unused
    with pytest.raises(ValueError, match="websocket"):
        await Application(context)({"type": "websocket"}, receive, send)


async def test_each_request_uses_the_registry_of_its_caller(context: ServerContext) -> None:
    callers: list[str] = []

    class Recording(ReadOnly):
        def for_caller(self, caller: str) -> Self:
            callers.append(caller)
            return self

    class Alice(Open):
        async def authenticate(
            self, authorization: str | None, *, at: float | None = None, client: str = ""
        ) -> Caller:
            return replace(await super().authenticate(authorization), name="alice")

    registry: Registry = Recording(await context.registry.get())
    served = replace(context, registry=Lazy.of(registry), authenticator=Alice())
    async with _client(Application(served)) as client:
        assert_error(await client.post("/v2/a/blobs/uploads/"), 405, "UNSUPPORTED")
    assert callers == ["alice"]


async def test_an_uploads_state_is_opened_once_per_request(client: httpx.AsyncClient) -> None:
    location = await Wire(client, "a", set).start()
    CountingSealer.opened = 0
    answer = await client.patch(location, content=b"x", headers=OCTETS)
    assert (answer.status_code, CountingSealer.opened) == (202, 1)
