"""The registry's address is what the Functions host says, whatever a client says."""

from __future__ import annotations

import httpx

from tests.functions.conftest import Start
from tests.support.host import PROJECT


def test_a_client_cannot_make_up_the_registrys_address(
    start: Start, settings: dict[str, str]
) -> None:
    """In Azure. The host replaces two of these headers, and passes the others on."""
    in_azure = {"WEBSITE_SKU": "FlexConsumption", "REGISTRY_AUTH": "none"}
    with start(PROJECT, {**settings, **in_azure}) as host:
        answer = httpx.get(
            host.url,
            headers={
                "Forwarded": "host=evil.example;proto=https",
                "X-Forwarded-Host": "evil.example",
                "X-Forwarded-Port": "6666",
                "X-Forwarded-Proto": "https",
            },
            timeout=60,
        )
    assert f"docker pull {host.url.removeprefix('http://')}/NAME:TAG" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
