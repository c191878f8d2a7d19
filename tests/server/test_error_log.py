"""Faults: the operator's log has what clients are not shown, under the reference that they are."""

import json
import logging
import re

import pytest
from starlette.requests import ClientDisconnect, Request

from registry_core.object_store.errors import StoreRefused, StoreUnavailable
from registry_core.server.errors import render
from registry_core.spec.errors import ManifestUnknown, Unavailable

ODD = "/v2/a\r\nERROR forged\x1b[2J\x85\u2028/tags/list"
REFERENCE = re.compile(r" \(reference ([0-9a-f]{12})\)$")


def request(path: str = "/v2/", *headers: tuple[bytes, bytes]) -> Request:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b""}
    return Request({**scope, "headers": list(headers)})


@pytest.mark.parametrize(
    "error, status",
    [
        (Unavailable("storage is away\r\nERROR forged\x1b[2J\x85\u2028"), 503),
        (ClientDisconnect(), 499),
        (KeyError("x"), 500),
    ],
)
def test_neither_a_path_nor_a_fault_can_forge_log_lines(
    caplog: pytest.LogCaptureFixture, error: Exception, status: int
) -> None:
    """Not even with a Host header that makes the URL unparsable."""
    caplog.set_level(logging.INFO)
    assert render(error, request(ODD, (b"host", b"["))).status_code == status
    [record] = caplog.records
    assert record.getMessage().isprintable()
    assert repr(ODD) in record.getMessage()


@pytest.mark.parametrize(
    "error, status, public, retry_after",
    [
        (Unavailable("get a/b: 503 (account x)"), 503, "service unavailable", "5"),
        (StoreUnavailable("get a/b: 503 (account x)", public="try again"), 503, "try again", "5"),
        (StoreRefused("get a/b: 409 (account x)", public="archived"), 403, "archived", None),
        (KeyError("account x"), 500, "internal error; see the registry's log", None),
    ],
)
def test_the_log_has_the_private_text_and_the_client_a_reference_to_it(
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    public: str,
    retry_after: str | None,
) -> None:
    answer = render(error, request())
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    [entry] = json.loads(bytes(answer.body))["errors"]
    assert entry.keys() == {"code", "message"}
    message, reference, _ = REFERENCE.split(entry["message"])
    assert message == public
    [record] = caplog.records
    assert record.getMessage().startswith(f"reference={reference} GET '/v2/'")
    assert "account x" in caplog.text


def test_every_request_has_a_reference_of_its_own() -> None:
    bodies = {bytes(render(Unavailable("x"), request()).body) for _ in range(10)}
    assert len(bodies) == 10


def test_what_is_the_clients_has_no_reference(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answer = render(ManifestUnknown("no such tag"), request())
    assert json.loads(bytes(answer.body))["errors"][0]["message"] == "no such tag"
    assert caplog.messages == []
