"""Forwarded headers are trusted if they come from a proxy on this machine, and only then."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from registry_core.serve.server import ForwardedFromLoopback

pytestmark = pytest.mark.anyio

FORWARDED = [
    (b"x-forwarded-for", b"198.51.100.1, 203.0.113.7"),
    (b"X-Forwarded-Host", b"registry.example"),
    (b"x-forwarded-proto", b"https"),
    (b"Forwarded", b"for=203.0.113.7"),
]


async def scope_for(client: tuple[str, int] | None) -> Scope:
    """Return what the application behind the middleware sees of a request from ``client``."""
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing should be received")

    async def send(message: Message) -> None:
        raise AssertionError(message)

    headers = [(b"host", b"here"), *FORWARDED]
    request = {"type": "http", "scheme": "http", "client": client, "headers": headers}
    await ForwardedFromLoopback(app)(request, receive, send)
    return seen[0]


@pytest.mark.parametrize("client", [("127.0.0.1", 1), ("::1", 1), ("::ffff:127.0.0.1", 1), None])
async def test_a_local_proxy_names_client_and_scheme(client: tuple[str, int] | None) -> None:
    """A unix socket has no address: None. The client is the last address that is not loopback."""
    scope = await scope_for(client)
    assert scope["client"][0] == "203.0.113.7"
    assert scope["scheme"] == "https"
    assert scope["headers"] == [(b"host", b"here"), *FORWARDED]


@pytest.mark.parametrize("client", [("203.0.113.9", 1), ("10.0.0.1", 1), ("fe80::1", 1)])
async def test_the_headers_of_any_other_client_are_removed(client: tuple[str, int]) -> None:
    scope = await scope_for(client)
    assert (scope["client"], scope["scheme"]) == (client, "http")
    assert scope["headers"] == [(b"host", b"here")]
