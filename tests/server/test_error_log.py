"""Log lines of failed requests."""

import json
import logging

import pytest
from starlette.requests import ClientDisconnect, Request

from registry_core.object_store.interface import StoreRefused, StoreUnavailable
from registry_core.server.errors import render
from registry_core.spec.errors import Unavailable

ODD = "/v2/a\r\nERROR forged\x1b[2J\x85\u2028/tags/list"


@pytest.mark.parametrize(
    "error, status",
    [(Unavailable("storage is away"), 503), (ClientDisconnect(), 499), (KeyError("x"), 500)],
)
def test_a_path_cannot_forge_log_lines(
    caplog: pytest.LogCaptureFixture, error: Exception, status: int
) -> None:
    """Not even with a Host header that makes the URL unparsable."""
    caplog.set_level(logging.INFO)
    headers = [(b"host", b"[")]
    scope = {"type": "http", "method": "GET", "path": ODD, "headers": headers, "query_string": b""}
    assert render(error, Request(scope)).status_code == status
    [record] = caplog.records
    assert record.getMessage().isprintable()
    assert repr(ODD) in record.getMessage()


@pytest.mark.parametrize(
    "error, status, retry_after",
    [
        (StoreUnavailable("get a/b: 503 (account x)", public="try again"), 503, "5"),
        (StoreRefused("get a/b: 409 (account x)", public="archived"), 403, None),
    ],
)
def test_the_log_has_the_private_text_and_the_client_the_public_one(
    caplog: pytest.LogCaptureFixture,
    error: StoreUnavailable | StoreRefused,
    status: int,
    retry_after: str | None,
) -> None:
    scope = {"type": "http", "method": "GET", "path": "/v2/", "headers": [], "query_string": b""}
    answer = render(error, Request(scope))
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    [entry] = json.loads(bytes(answer.body))["errors"]
    assert entry == {"code": error.code, "message": error.message}
    [record] = caplog.records
    assert "account x" in record.getMessage()
