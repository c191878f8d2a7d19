"""Only a proxy on this machine is believed when it says whom it speaks for."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from registry_core.serve.forwarded import ForwardedFromLoopback

pytestmark = pytest.mark.anyio

FORWARDED = [
    (b"x-forwarded-for", b"198.51.100.1, 203.0.113.7"),
    (b"X-Forwarded-Host", b"registry.example"),
    (b"x-forwarded-proto", b"https"),
    (b"Forwarded", b"for=203.0.113.7"),
]


async def scope_for(client: tuple[str, int] | None) -> Scope:
    """What the application behind the middleware sees of a request from ``client``."""
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing is to be received")

    async def send(message: Message) -> None:
        raise AssertionError(message)

    headers = [(b"host", b"here"), *FORWARDED]
    request = {"type": "http", "scheme": "http", "client": client, "headers": headers}
    await ForwardedFromLoopback(app)(request, receive, send)
    return seen[0]


@pytest.mark.parametrize("client", [("127.0.0.1", 1), ("::1", 1), ("::ffff:127.0.0.1", 1), None])
async def test_a_proxy_here_names_client_and_scheme(client: tuple[str, int] | None) -> None:
    """None is what a unix socket gives. The client is the last address that is not a proxy here."""
    scope = await scope_for(client)
    assert scope["client"][0] == "203.0.113.7"
    assert scope["scheme"] == "https"
    assert scope["headers"] == [(b"host", b"here"), *FORWARDED]


@pytest.mark.parametrize("client", [("203.0.113.9", 1), ("10.0.0.1", 1), ("fe80::1", 1)])
async def test_what_anybody_else_says_is_dropped(client: tuple[str, int]) -> None:
    scope = await scope_for(client)
    assert (scope["client"], scope["scheme"]) == (client, "http")
    assert scope["headers"] == [(b"host", b"here")]
