"""The address of a client, as the server below passes it on."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from registry_core.server.client_address import client_address


def _request(client: tuple[str, int] | None, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "client": client, "headers": raw})


@pytest.mark.parametrize(
    "peer, address",
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:50123", "192.0.2.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("[2001:db8::7]:50123", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:50123", "192.0.2.7"),
        ("fe80::1%eth0 status=200", "fe80::1"),
    ],
)
def test_an_address_has_one_spelling_and_no_port(peer: str, address: str) -> None:
    assert client_address(_request((peer, 0))) == address


@pytest.mark.parametrize(
    "peer", ["", "testclient", "unknown", "192.0.2.7:1:2", "a\nb", "[", "1.2.3"]
)
def test_what_is_not_an_address_is_unknown(peer: str) -> None:
    assert client_address(_request((peer, 0))) == ""


def test_a_unix_socket_has_no_address() -> None:
    assert client_address(_request(None)) == ""


def test_a_client_does_not_choose_its_address() -> None:
    request = _request(
        ("192.0.2.7", 0), x_forwarded_for="198.51.100.1", forwarded="for=198.51.100.1"
    )
    assert client_address(request) == "192.0.2.7"
