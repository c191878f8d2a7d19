"""The keys of an issuer are found by discovery, cached, and fetched again when they change."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.secure_urls import is_of_this_machine
from registry_core.auth.sources import oidc
from registry_core.auth.sources.federation import Federated
from registry_core.auth.sources.oidc import IssuedTokens, discovered_keys
from registry_core.auth.tokens.remote_keys import KeysAtUrl
from registry_core.spec.errors import Unavailable
from tests.support.federation import MAIN, github, identify
from tests.support.identities import identity_of
from tests.support.oidc_issuer import KEYS, WELL_KNOWN, OidcIssuer, ec_key

pytestmark = pytest.mark.anyio


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    with OidcIssuer() as issuer:
        yield issuer


async def test_issuers_that_share_a_key_are_still_different(issuer: OidcIssuer) -> None:
    """Entra ID signs for all tenants with the same keys."""
    tokens = IssuedTokens("https://other.example", discovered_keys(issuer.url))
    with pytest.raises(CredentialsInvalid, match="another issuer"):
        await tokens.claims(issuer.token(sub=MAIN, aud="registry"))


async def test_keys_are_fetched_once_for_any_number_of_tokens(issuer: OidcIssuer) -> None:
    source = Federated([github(issuer), github(issuer, "twice")])
    token = issuer.token(sub=MAIN, aud="registry")
    at_once = await asyncio.gather(*(identity_of(source, "oidc", token) for _ in range(20)))
    later = await identity_of(source, "oidc", token)
    assert None not in (*at_once, later)
    assert issuer.requested == [WELL_KNOWN, KEYS]


async def test_a_rotated_key_is_found_without_a_restart(issuer: OidcIssuer) -> None:
    clock = [0.0]

    def keys(name: str) -> KeysAtUrl:
        return replace(discovered_keys(name), now=lambda: clock[0])

    source = Federated([github(issuer)], keys)
    old = issuer.token(sub=MAIN, aud="registry")
    assert await identity_of(source, "oidc", old)
    issuer.rotate()
    clock[0] += 60
    assert await identity_of(source, "oidc", issuer.token(sub=MAIN, aud="registry"))
    assert await identity_of(source, "oidc", old) is None, "a withdrawn key is still trusted"


async def test_unknown_keys_do_not_cause_a_fetch_each_time(
    issuer: OidcIssuer,
) -> None:
    source = Federated([github(issuer)])
    for _ in range(20):
        assert await identity_of(source, "oidc", issuer.token(key=ec_key(), sub=MAIN)) is None
    assert issuer.requested == [WELL_KNOWN, KEYS] * 2


async def test_the_keys_may_be_on_another_host(
    issuer: OidcIssuer,
) -> None:
    with OidcIssuer(issuer.key) as other:
        issuer.announce(jwks_uri=other.url + KEYS)
        assert await identify(issuer, issuer.token(sub=MAIN, aud="registry"))
        assert other.requested == [KEYS]


async def test_a_discovery_document_of_another_issuer_is_refused(issuer: OidcIssuer) -> None:
    issuer.announce(issuer="https://elsewhere.example")
    with pytest.raises(Unavailable):
        await identify(issuer, issuer.token(sub=MAIN, aud="registry"))
    assert issuer.requested == [WELL_KNOWN]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"issuer": %(url)s}',
        b'{"issuer": %(url)s, "jwks_uri": 1}',
        b'{"issuer": %(url)s, "jwks_uri": "http://192.0.2.1/keys"}',
        b'{"issuer": %(url)s, "jwks_uri": "file:///etc/passwd"}',
        b"[" * 10_000,
        b'{"issuer": %(url)s, "jwks_uri": %(url)s, "x": "' + b"x" * 2**17 + b'"}',
    ],
    ids=["empty", "HTML", "list", "without", "number", "plain", "file", "deep", "huge"],
)
async def test_an_invalid_discovery_document_is_not_an_invalid_token(
    issuer: OidcIssuer, document: bytes
) -> None:
    url = json.dumps(issuer.url).encode()
    issuer.documents[WELL_KNOWN] = document.replace(b"%(url)s", url)
    with pytest.raises(Unavailable):
        await identify(issuer, issuer.token(sub=MAIN, aud="registry"))
    assert issuer.requested == [WELL_KNOWN]


async def test_an_issuer_that_does_not_answer_is_not_an_invalid_token(
    issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "_FETCH_SECONDS", 0.1)
    issuer.answering.clear()
    source = Federated([github(issuer)])
    token = issuer.token(sub=MAIN, aud="registry")
    for _ in range(3):
        with pytest.raises(Unavailable):
            await identity_of(source, "oidc", token)
    assert issuer.requested == [WELL_KNOWN], "each token waited for another fetch"


async def test_known_keys_are_used_while_the_issuer_does_not_answer(issuer: OidcIssuer) -> None:
    source = Federated([github(issuer)])
    token = issuer.token(sub=MAIN, aud="registry")
    assert await identity_of(source, "oidc", token)
    issuer.answering.clear()
    assert await identity_of(source, "oidc", token)


@pytest.mark.parametrize(
    "keys_url",
    [
        "http://localhost:8080/keys",
        "http://127.0.0.1/keys",
        "https://localhost./keys",
        "https://keys.localhost/",
        "https://127.1/keys",
        "https://2130706433/keys",
        "https://[::1]/keys",
        "https://[::ffff:127.0.0.1]/keys",
        "https://0.0.0.0/keys",
        "https://169.254.169.254/metadata/identity/oauth2/token",
        "https://[fe80::1]/keys",
    ],
)
async def test_an_issuer_elsewhere_cannot_lead_to_this_machine(
    keys_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What listens there may trust whoever reaches it."""
    fetched = []

    async def fetch_json(url: str, **_: object) -> dict[str, object]:
        fetched.append(url)
        return {"issuer": "https://issuer.example", "jwks_uri": keys_url}

    monkeypatch.setattr(oidc, "fetch_json", fetch_json)
    with pytest.raises(Unavailable):
        await discovered_keys("https://issuer.example").find({"kid": "1"})
    assert fetched == ["https://issuer.example" + WELL_KNOWN]
    assert "leads to this machine" in caplog.text


def test_hosts_elsewhere_are_not_of_this_machine() -> None:
    for host in ("issuer.example", "10.0.0.1", "[2001:db8::1]", "localhost.example", "12.example"):
        assert not is_of_this_machine(f"https://{host}/keys")
