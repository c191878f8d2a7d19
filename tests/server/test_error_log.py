"""Log lines of failed requests."""

import logging

import pytest
from starlette.requests import ClientDisconnect, Request

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
