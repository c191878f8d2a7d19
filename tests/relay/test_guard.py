"""The relay is for programs: pages in a browser cannot use it, whatever name their server has."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from registry_core.relay.guard import Guard
from registry_core.spec.errors import Denied

from .relaying import RunningRelay
from .scripted_registry import ScriptedRegistry


def request(*headers: tuple[str, str]) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/v2/",
            "headers": [(name.encode(), value.encode()) for name, value in headers],
        }
    )


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:5001", "localhost:5001", "LOCALHOST", "[::1]:5001", "127.9.9.9", "a.localhost:1"],
)
def test_names_of_loopback_are_the_relays(host: str) -> None:
    assert Guard().check(request(("host", host))) == host


def test_a_name_that_was_given_is_the_relays() -> None:
    assert Guard({"relay"}).check(request(("host", "Relay:5001"))) == "Relay:5001"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:5001",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example#127.0.0.1",
        "user@127.0.0.1",
        "127.0.0.1/x",
        "10.0.0.1:5001",
        "127.0.0.1:port",
        "",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    """A server can let its name point to loopback while a page of it is shown."""
    with pytest.raises(Denied) as refused:
        Guard().check(request(("host", host)))
    assert refused.value.http_status == 421


def test_a_request_without_a_name_or_with_two_is_refused() -> None:
    for headers in ([], [("host", "localhost"), ("host", "evil.example")]):
        with pytest.raises(Denied):
            Guard().check(request(*headers))


def test_any_address_is_the_relays_where_it_listens_on_all() -> None:
    """But no other name: pages have names, and cannot choose the addresses of this machine."""
    guard = Guard(any_address=True)
    assert guard.check(request(("host", "10.0.0.1:5001")))
    with pytest.raises(Denied):
        guard.check(request(("host", "evil.example")))


@pytest.mark.parametrize(
    "header",
    [("origin", "http://127.0.0.1:5001"), ("origin", "null"), ("sec-fetch-site", "cross-site")],
)
def test_web_pages_are_refused(header: tuple[str, str]) -> None:
    with pytest.raises(Denied) as refused:
        Guard().check(request(("host", "localhost"), header))
    assert refused.value.http_status == 403


def test_an_address_that_the_user_types_is_answered() -> None:
    assert Guard().check(request(("host", "localhost"), ("sec-fetch-site", "none")))


@pytest.mark.anyio
async def test_what_is_refused_does_not_reach_the_registry(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    rebound = await relay.http.get("/v2/", headers={"Host": "evil.example"})
    page = await relay.http.post(
        "/v2/team/app/blobs/uploads/", headers={"Origin": "https://evil.example"}
    )
    assert (rebound.status_code, page.status_code) == (421, 403)
    assert registry.requests == []
