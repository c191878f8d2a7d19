"""Tokens from App Service's endpoint, without azure-identity."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from registry_core.object_store.azure import AzureIdentity, TokenEndpoint
from registry_core.object_store.azure import managed_identity as module
from registry_core.object_store.azure.identity import BearerToken, NotSignedIn
from registry_core.object_store.azure.managed_identity import ManagedIdentity
from tests.support.managed_identity import RESOURCE, IdentityEndpoint

pytestmark = pytest.mark.anyio

SCOPE = f"{RESOURCE}/.default"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityEndpoint]:
    monkeypatch.setattr(module, "_DELAYS", (0.0, 0.0, 0.0))
    with IdentityEndpoint() as endpoint:
        yield endpoint


def at(endpoint: IdentityEndpoint) -> TokenEndpoint:
    return TokenEndpoint(endpoint.environment["IDENTITY_ENDPOINT"], endpoint.header)


@pytest.mark.parametrize("client_id", [None, "11111111-2222-3333-4444-555555555555"])
async def test_a_token_is_issued_for_storage(
    endpoint: IdentityEndpoint, client_id: str | None
) -> None:
    endpoint.refresh_in = 600
    token = await ManagedIdentity(at(endpoint), client_id).get_token_info(SCOPE)
    [request] = endpoint.requests
    assert (request.resource, request.client_id) == (RESOURCE, client_id)
    assert [token.token] == endpoint.tokens
    assert abs(token.expires_on - time.time() - endpoint.lifetime) < 60
    assert abs((token.refresh_on or 0) - time.time() - 600) < 60


async def test_a_busy_endpoint_is_tried_four_times(endpoint: IdentityEndpoint) -> None:
    endpoint.error = (503, "busy")
    with pytest.raises(ValueError, match=r"answered 503: .*busy"):
        await ManagedIdentity(at(endpoint), None).get_token_info(SCOPE)
    assert len(endpoint.requests) == 4


async def test_a_refusal_is_final_and_explained(
    endpoint: IdentityEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.error = (400, "No User Assigned Identity found")
    token = BearerToken(AzureIdentity(endpoint=at(endpoint)), seconds=30)
    with pytest.raises(NotSignedIn, match="assign an identity to the app"):
        await token.authorize("GET", "/", {}, {})
    assert len(endpoint.requests) == 1
    assert "No User Assigned Identity found" in caplog.text
    assert endpoint.header not in caplog.text


async def test_an_endpoint_that_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DELAYS", ())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = TokenEndpoint(f"http://127.0.0.1:{unused.getsockname()[1]}/msi/token", "header")
        with pytest.raises(ValueError, match="Connect"):
            await ManagedIdentity(gone, None).get_token_info(SCOPE)


@pytest.mark.parametrize("text", ["{}", "[]", "x", '{"access_token": "a", "expires_on": "never"}'])
def test_an_answer_without_a_token(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        module._parse(text)


def test_the_header_is_not_part_of_any_representation() -> None:
    assert "secret" not in repr(TokenEndpoint("http://127.0.0.1", "secret"))
