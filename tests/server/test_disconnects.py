"""A client that hangs up ends the work on what it requested."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Registry
from registry_core.server import disconnects
from registry_core.server.application import Application
from registry_core.server.asgi import asgi
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.endpoints import Reference
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.wrappers import Delegating

pytestmark = pytest.mark.anyio

SECRET = "a secret for tests, which is long enough"


class Slow(Delegating):
    """A registry that never finds a manifest."""

    def __init__(self, inner: Registry) -> None:
        super().__init__(inner)
        self.events: list[str] = []
        self.has_begun = asyncio.Event()

    def for_caller(self, caller: str) -> Any:
        return self

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        self.events.append("begun")
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.events.append("cancelled")
            raise
        raise AssertionError


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr(disconnects, "WATCH_AFTER", 0.001)
    return Slow(StoredRegistry(MemoryStore()))


def scope(method: str) -> dict[str, Any]:
    path = "/v2/a/manifests/v1"
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "scheme": "http",
        "server": ("registry.test", 80),
    }


async def serve(application: Application, slow: Slow, *, hangs_up: bool) -> list[Message]:
    sent: list[Message] = []
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await (slow.has_begun if hangs_up else asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await application(scope("HEAD"), receive, send)
    return sent


async def test_the_work_ends_when_the_client_hangs_up(slow: Slow) -> None:
    sent = await serve(asgi(slow, secret=SECRET), slow, hangs_up=True)
    assert slow.events == ["begun", "cancelled"]
    assert sent[0]["status"] == 499  # nobody receives it


async def test_the_work_of_others_goes_on(slow: Slow) -> None:
    application = asgi(slow, secret=SECRET)
    other = asyncio.ensure_future(serve(application, slow, hangs_up=False))
    await slow.has_begun.wait()
    await serve(application, slow, hangs_up=True)
    assert slow.events == ["begun", "begun", "cancelled"]
    assert not other.done()
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)


async def test_a_server_that_stops_cancels_a_request_all_the_same(slow: Slow) -> None:
    request = asyncio.ensure_future(serve(asgi(slow, secret=SECRET), slow, hangs_up=False))
    await slow.has_begun.wait()
    await asyncio.sleep(0.01)  # the watch has begun
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert slow.events == ["begun", "cancelled"]
