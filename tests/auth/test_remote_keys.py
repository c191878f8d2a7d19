"""The keys at a URL: fetched when necessary, and not more often."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest

from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.tokens.remote_keys import FetchFailed, KeysAtUrl, fetch_json
from registry_core.spec.errors import Unavailable
from tests.support.clock import Clock
from tests.support.oidc_issuer import KEYS, OidcIssuer, SigningKey, ec_key

pytestmark = pytest.mark.anyio

DEADLINE = 10.0


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    with OidcIssuer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: OidcIssuer, clock: Clock) -> KeysAtUrl:
    return KeysAtUrl(issuer.url + KEYS, pause=30, max_age=3600, now=clock)


async def finds(keys: KeysAtUrl, signing: SigningKey) -> bool:
    try:
        return (await keys.find({"kid": signing.kid})).public == signing.private.public_key()
    except CredentialsInvalid:
        return False


async def test_the_keys_are_fetched_once(keys: KeysAtUrl, issuer: OidcIssuer) -> None:
    for _ in range(3):
        assert await finds(keys, issuer.key)
    assert issuer.requested == [KEYS]


async def test_concurrent_requests_share_one_fetch(keys: KeysAtUrl, issuer: OidcIssuer) -> None:
    found = await asyncio.gather(*(finds(keys, issuer.key) for _ in range(20)))
    assert found == [True] * 20
    assert issuer.requested == [KEYS]


async def test_a_cancelled_request_does_not_cancel_the_fetch_of_others(
    keys: KeysAtUrl, issuer: OidcIssuer
) -> None:
    issuer.answering.clear()
    first = asyncio.create_task(finds(keys, issuer.key))
    second = asyncio.create_task(finds(keys, issuer.key))
    await _until(lambda: issuer.requested == [KEYS])
    first.cancel()
    issuer.answering.set()
    assert await second
    assert issuer.requested == [KEYS]


async def test_a_new_key_is_fetched_when_a_token_names_it(
    keys: KeysAtUrl, issuer: OidcIssuer
) -> None:
    """After a rotation, the old key is not trusted any more."""
    old = issuer.key
    assert await finds(keys, old)
    issuer.rotate()
    assert await finds(keys, issuer.key)
    assert not await finds(keys, old)
    assert issuer.requested == [KEYS, KEYS]


async def test_unknown_keys_make_one_fetch_each_pause(
    keys: KeysAtUrl, issuer: OidcIssuer, clock: Clock
) -> None:
    """Made-up key ids cannot cause a fetch each time."""
    assert await finds(keys, issuer.key)
    for _ in range(20):
        assert not await finds(keys, ec_key())
    assert issuer.requested == [KEYS] * 2
    clock.pass_by(30)
    for _ in range(20):
        assert not await finds(keys, ec_key())
    assert issuer.requested == [KEYS] * 3


async def test_known_keys_are_used_while_the_issuer_is_unreachable(
    keys: KeysAtUrl, issuer: OidcIssuer, clock: Clock
) -> None:
    assert await finds(keys, issuer.key)
    issuer.documents[KEYS] = b"<html>"
    clock.pass_by(30)
    assert not await finds(keys, ec_key())
    assert await finds(keys, issuer.key)


async def test_old_keys_are_refreshed_in_the_background(
    keys: KeysAtUrl, issuer: OidcIssuer, clock: Clock
) -> None:
    """The request does not wait; a withdrawn key is refused soon after."""
    old = issuer.key
    assert await finds(keys, old)
    issuer.rotate()
    clock.pass_by(3601)
    issuer.answering.clear()
    assert await finds(keys, old)
    issuer.answering.set()
    await _until(lambda: issuer.requested == [KEYS, KEYS])
    async with asyncio.timeout(DEADLINE):
        while await finds(keys, old):  # noqa: ASYNC110 - the fetch has no event
            await asyncio.sleep(0.01)


async def test_without_keys_no_token_can_be_verified(
    keys: KeysAtUrl, issuer: OidcIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is 503, not 401, because the token may be valid. The log has the reason."""
    published = issuer.documents.pop(KEYS)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(Unavailable):
                await keys.find({"kid": issuer.key.kid})
    assert issuer.requested == [KEYS]
    assert caplog.messages == [
        f"could not fetch the keys of a token issuer: {keys.url}: {keys.url} answered 404"
    ]
    issuer.documents[KEYS] = published
    clock.pass_by(30)
    assert await finds(keys, issuer.key)


@pytest.mark.parametrize(
    "url", ["http://keys.example/", "ftp://127.0.0.1/", "file:///etc/passwd", "http://[::1", ""]
)
async def test_only_secure_urls_are_fetched(url: str) -> None:
    with pytest.raises(FetchFailed, match="https"):
        await fetch_json(url)


@pytest.mark.parametrize("content", [b"", b"[]", b'"text"', b"\xff", b"[" * 100_000])
async def test_only_json_objects_are_accepted(issuer: OidcIssuer, content: bytes) -> None:
    issuer.documents["/document"] = content
    with pytest.raises(FetchFailed, match="JSON"):
        await fetch_json(f"{issuer.url}/document")


async def test_the_size_and_the_time_of_a_fetch_are_limited(issuer: OidcIssuer) -> None:
    issuer.documents["/document"] = b'{"a": "' + b"b" * 1000 + b'"}'
    url = f"{issuer.url}/document"
    with pytest.raises(FetchFailed, match="more than 1000 bytes"):
        await fetch_json(url, limit_bytes=1000)
    issuer.answering.clear()
    with pytest.raises(FetchFailed, match="Timeout"):
        await fetch_json(url, timeout=0.1)


async def test_a_refused_connection_is_a_failed_fetch() -> None:
    with pytest.raises(FetchFailed):
        await fetch_json("http://127.0.0.1:1/")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - the issuer runs in a thread
            await asyncio.sleep(0.005)
