"""Get User Delegation Key: the request and the answer are those of Microsoft's SDK."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.blob import UserDelegationKey as KeyOfSdk

from registry_core.object_store.azure.delegation_key import DelegationKey, key_request, parse_key
from registry_core.object_store.errors import StoreUnavailable
from tests.support.loopback_server import JsonHandler, LoopbackServer

START = datetime(2026, 1, 31, 23, 59, 58, 999999, tzinfo=UTC)
EXPIRY = datetime(2026, 2, 7, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))

ANSWER = """\ufeff<?xml version="1.0" encoding="utf-8"?>
<UserDelegationKey>
    <SignedOid>0c0f5b5e-90c9-4a31-8d13-3f2b3a8a7a10</SignedOid>
    <SignedTid>5f3c2bd5-2f0e-4a5e-9c68-6f8b5a3c4d11</SignedTid>
    <SignedStart>2026-01-31T23:59:58Z</SignedStart>
    <SignedExpiry>2026-02-06T23:02:03Z</SignedExpiry>
    <SignedService>b</SignedService>
    <SignedVersion>2026-02-06</SignedVersion>
    <Value>c2VjcmV0+/==</Value>
</UserDelegationKey>"""


class KeyService:
    """Answers requests for keys with ``answer``; ``requests`` lists their bodies."""

    def __init__(self) -> None:
        self.answer = ANSWER
        self.requests: list[bytes] = []
        self._server = LoopbackServer(_handler(self))
        self.stop = self._server.stop

    def ask_with_sdk(self) -> KeyOfSdk:
        """Request a key with the SDK and return what it makes of the answer."""
        with BlobServiceClient(f"{self._server.url}/account") as client:
            return client.get_user_delegation_key(START, EXPIRY)


@pytest.fixture
def service() -> Iterator[KeyService]:
    service = KeyService()
    yield service
    service.stop()


def test_a_request_is_that_of_the_sdk(service: KeyService) -> None:
    service.ask_with_sdk()
    assert service.requests == [key_request(START, EXPIRY)]


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        ANSWER.replace("\ufeff", "").replace("\n", "").replace("    ", ""),
        ANSWER.replace("58Z", "58.1234567Z").replace("03Z", "03.9999999Z"),
    ],
    ids=["as documented", "in one line", "with fractions of a second"],
)
def test_an_answer_is_read_as_the_sdk_reads_it(service: KeyService, answer: str) -> None:
    service.answer = answer
    expected = service.ask_with_sdk()
    assert parse_key(answer.encode()) == DelegationKey(
        oid=expected.signed_oid or "",
        tid=expected.signed_tid or "",
        start=expected.signed_start or "",
        expiry=expected.signed_expiry or "",
        service=expected.signed_service or "",
        version=expected.signed_version or "",
        value=expected.value or "",
    )


def test_the_expiry_of_a_key_is_a_time() -> None:
    assert parse_key(ANSWER.encode()).expires_at == EXPIRY


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "<html>a proxy's page</html>",
        ANSWER.replace("SignedOid", "SignedId"),
        ANSWER.replace("<Value>c2VjcmV0+/==</Value>", "<Value/>"),
        ANSWER.replace("2026-01-31T23:59:58Z", "yesterday"),
    ],
)
def test_an_answer_that_is_not_a_key_is_an_error_of_storage(answer: str) -> None:
    with pytest.raises(StoreUnavailable, match="malformed user delegation key") as caught:
        parse_key(answer.encode())
    assert "c2VjcmV0" not in str(caught.value)


def test_the_secret_is_not_in_the_representation_of_a_key() -> None:
    assert "c2VjcmV0" not in repr(parse_key(ANSWER.encode()))


def _handler(service: KeyService) -> type[JsonHandler]:
    class Handler(JsonHandler):
        def answer(self, body: bytes | None) -> None:
            service.requests.append(body or b"")
            content = service.answer.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
