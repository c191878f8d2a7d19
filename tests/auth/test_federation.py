"""Tokens of OpenID Connect issuers prove who a workload is, and nothing else does."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from registry_core.auth import oidc
from registry_core.auth.federation import Federated
from registry_core.auth.identity import Identity
from registry_core.auth.key_url import KeysAtUrl
from registry_core.auth.oidc import discovered_keys
from registry_core.auth.rules import Federation
from registry_core.spec.errors import Unavailable
from tests.support.oidc_issuer import KEYS, WELL_KNOWN, OidcIssuer, SigningKey, ec_key, rsa_key

pytestmark = pytest.mark.anyio

MAIN = "repo:org/app:ref:refs/heads/main"


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    with OidcIssuer() as issuer:
        yield issuer


def github(
    issuer: OidcIssuer,
    name: str = "github",
    subjects: tuple[str, ...] = ("repo:org/*:ref:refs/heads/main",),
    audience: str = "registry",
    claims: Mapping[str, str] | None = None,
) -> Federation:
    return Federation(name, issuer.url, audience, subjects, claims or {})


async def identify(issuer: OidcIssuer, token: str, name: str = "oidc") -> Identity | None:
    """Who the token is about, to a registry that has seen none before."""
    return await Federated([github(issuer)]).identify(name, token)


async def test_a_job_is_known_by_its_federation_and_subject(issuer: OidcIssuer) -> None:
    token = issuer.token(sub=MAIN, aud="registry")
    assert await identify(issuer, token) == Identity(MAIN, "federated:github")


@pytest.mark.parametrize("key", [rsa_key(), ec_key()], ids=["RS256", "ES256"])
async def test_an_issuer_signs_with_rsa_or_a_curve(issuer: OidcIssuer, key: SigningKey) -> None:
    issuer.key = key
    issuer.publish(issuer.key)
    assert await identify(issuer, issuer.token(sub=MAIN, aud=["other", "registry"]))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"aud": None},
        {"aud": ["other", 1]},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": int(time.time()) - 61},
        {"exp": None},
        {"exp": "never"},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": ["repo:org/app:ref:refs/heads/main"]},
        {"sub": "repo:other/app:ref:refs/heads/main"},
    ],
    ids=repr,
)
async def test_a_token_for_something_else_proves_nothing(
    issuer: OidcIssuer, claims: dict[str, Any]
) -> None:
    usual: dict[str, Any] = {"sub": MAIN, "aud": "registry"}
    assert await identify(issuer, issuer.token(**{**usual, **claims})) is None


async def test_an_issuers_name_with_a_slash_more_is_another_issuer(issuer: OidcIssuer) -> None:
    assert await identify(issuer, issuer.token(iss=issuer.url + "/", sub=MAIN, aud="registry")) is (
        None
    )
    assert issuer.asked == [], "an issuer that nobody configured was asked for its keys"


async def test_a_token_of_an_issuer_that_is_not_configured_is_not_looked_into(
    issuer: OidcIssuer,
) -> None:
    with OidcIssuer() as other:
        token = other.token(sub=MAIN, aud="registry")
        assert await identify(issuer, token) is None
        assert other.asked == []


async def test_who_claims_to_be_another_issuer_is_checked_with_that_ones_keys(
    issuer: OidcIssuer,
) -> None:
    with OidcIssuer() as other:
        forged = other.token(iss=issuer.url, sub=MAIN, aud="registry")
        named = other.token(
            iss=issuer.url, sub=MAIN, aud="registry", header={"kid": issuer.key.kid}
        )
        assert await identify(issuer, forged) is None
        assert await identify(issuer, named) is None


async def test_a_token_without_a_signature_proves_nothing(issuer: OidcIssuer) -> None:
    header = base64url_encode(json.dumps({"alg": "none", "kid": issuer.key.kid}).encode()).decode()
    payload = issuer.token(sub=MAIN, aud="registry").split(".")[1]
    for algorithmless in (f"{header}.{payload}.", f"{header}.{payload}.AAAA"):
        assert await identify(issuer, algorithmless) is None


async def test_a_token_signed_with_the_public_key_as_a_shared_secret_proves_nothing(
    issuer: OidcIssuer,
) -> None:
    issuer.key = rsa_key()
    issuer.publish(issuer.key)
    public = issuer.key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "kid": issuer.key.kid}
    right = issuer.token(sub=MAIN, aud="registry")
    signed = ".".join([base64url_encode(json.dumps(header).encode()).decode(), right.split(".")[1]])
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    forged = f"{signed}.{base64url_encode(mac.sign(signed.encode(), pem)).decode()}"
    assert await identify(issuer, forged) is None


async def test_a_key_that_the_token_brings_along_is_not_trusted(issuer: OidcIssuer) -> None:
    own = ec_key()
    with OidcIssuer(own) as other:
        for header in ({"jwk": own.jwk()}, {"jku": other.url + KEYS}, {"kid": "../../keys"}):
            forged = issuer.token(sub=MAIN, aud="registry", key=own, header=header)
            assert await identify(issuer, forged) is None
        assert other.asked == []


@pytest.mark.parametrize(
    "text", ["", "password", "a.b", "a.b.c", "....", "e30.e30.", "x" * 40_000 + "..", "é.é.é"]
)
async def test_a_password_that_is_no_token_is_somebody_elses_to_check(
    issuer: OidcIssuer, text: str
) -> None:
    assert await identify(issuer, text) is None
    assert issuer.asked == []


async def test_a_token_is_of_the_first_federation_that_it_fits(issuer: OidcIssuer) -> None:
    source = Federated([github(issuer, "main"), github(issuer, "any", subjects=("repo:org/**",))])
    token = issuer.token(sub=MAIN, aud="registry")
    branch = issuer.token(sub="repo:org/app:ref:refs/heads/b", aud="registry")

    async def federation(name: str, token: str) -> str | None:
        identity = await source.identify(name, token)
        return identity.source if identity else None

    assert await federation("oidc", token) == "federated:main"
    assert await federation("oidc", branch) == "federated:any"
    assert await federation("any", token) == "federated:any", "the user name chooses"
    assert await federation("main", branch) is None, "the user name chooses"


async def test_federations_of_one_issuer_differ_by_audience(issuer: OidcIssuer) -> None:
    source = Federated([github(issuer, "one", audience="1"), github(issuer, "two", audience="2")])
    token = issuer.token(sub=MAIN, aud="2")
    assert await source.identify("oidc", token) == Identity(MAIN, "federated:two")
    assert await source.identify("one", token) is None


async def test_all_claims_have_to_fit(issuer: OidcIssuer) -> None:
    claims = {"repository_owner_id": "42", "environment": "prod-*", "verified": "true"}
    source = Federated([github(issuer, claims=claims)])
    right: dict[str, Any] = {
        "repository_owner_id": 42,
        "environment": ["test", "prod-eu"],
        "verified": True,
    }
    assert await source.identify("", issuer.token(sub=MAIN, aud="registry", **right))
    wrongs: tuple[dict[str, Any], ...] = (
        {"environment": None},
        {"environment": "staging"},
        {"verified": "True"},
        {"repository_owner_id": {"42": "42"}},
    )
    for wrong in wrongs:
        token = issuer.token(sub=MAIN, aud="registry", **{**right, **wrong})
        assert await source.identify("", token) is None, wrong


async def test_keys_are_fetched_once_for_any_number_of_tokens(issuer: OidcIssuer) -> None:
    source = Federated([github(issuer), github(issuer, "twice")])
    token = issuer.token(sub=MAIN, aud="registry")
    at_once = await asyncio.gather(*(source.identify("oidc", token) for _ in range(20)))
    later = await source.identify("oidc", token)
    assert None not in (*at_once, later)
    assert issuer.asked == [WELL_KNOWN, KEYS]


async def test_a_new_key_is_found_while_the_registry_runs(issuer: OidcIssuer) -> None:
    clock = [0.0]

    def keys(name: str) -> KeysAtUrl:
        return replace(discovered_keys(name), now=lambda: clock[0])

    source = Federated([github(issuer)], keys)
    old = issuer.token(sub=MAIN, aud="registry")
    assert await source.identify("oidc", old)
    issuer.rotate()
    clock[0] += 60
    assert await source.identify("oidc", issuer.token(sub=MAIN, aud="registry"))
    assert await source.identify("oidc", old) is None, "a key that was taken out still counts"


async def test_unknown_keys_do_not_make_the_registry_ask_again_and_again(
    issuer: OidcIssuer,
) -> None:
    source = Federated([github(issuer)])
    for _ in range(20):
        assert await source.identify("oidc", issuer.token(key=ec_key(), sub=MAIN)) is None
    assert issuer.asked == [WELL_KNOWN, KEYS]


async def test_keys_on_another_host_are_taken_where_the_discovery_document_says_so(
    issuer: OidcIssuer,
) -> None:
    with OidcIssuer(issuer.key) as other:
        issuer.announce(jwks_uri=other.url + KEYS)
        assert await identify(issuer, issuer.token(sub=MAIN, aud="registry"))
        assert other.asked == [KEYS]


async def test_a_discovery_document_of_another_issuer_leads_to_no_keys(issuer: OidcIssuer) -> None:
    issuer.announce(issuer="https://elsewhere.example")
    with pytest.raises(Unavailable):
        await identify(issuer, issuer.token(sub=MAIN, aud="registry"))
    assert issuer.asked == [WELL_KNOWN]


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
async def test_a_discovery_document_that_is_none_is_told_from_a_wrong_token(
    issuer: OidcIssuer, document: bytes
) -> None:
    url = json.dumps(issuer.url).encode()
    issuer.documents[WELL_KNOWN] = document.replace(b"%(url)s", url)
    with pytest.raises(Unavailable):
        await identify(issuer, issuer.token(sub=MAIN, aud="registry"))
    assert issuer.asked == [WELL_KNOWN]


async def test_an_issuer_that_does_not_answer_is_told_from_a_wrong_token(
    issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "_FETCH_SECONDS", 0.1)
    issuer.answering.clear()
    source = Federated([github(issuer)])
    token = issuer.token(sub=MAIN, aud="registry")
    for _ in range(3):
        with pytest.raises(Unavailable):
            await source.identify("oidc", token)
    assert issuer.asked == [WELL_KNOWN], "each token made the registry wait anew"


async def test_known_keys_serve_while_the_issuer_does_not_answer(issuer: OidcIssuer) -> None:
    source = Federated([github(issuer)])
    token = issuer.token(sub=MAIN, aud="registry")
    assert await source.identify("oidc", token)
    issuer.answering.clear()
    assert await source.identify("oidc", token)


async def test_no_token_is_logged(issuer: OidcIssuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = [
        issuer.token(sub=MAIN, aud="registry"),
        issuer.token(sub=MAIN, aud="other"),
        issuer.token(sub="other", aud="registry"),
        issuer.token(sub=MAIN, aud="registry", key=ec_key()),
    ]
    source = Federated([github(issuer)])
    for token in tokens:
        await source.identify("oidc", token)
    assert "another audience" in caplog.text
    for token in tokens:
        assert token.split(".")[1] not in caplog.text
        assert token.split(".")[2] not in caplog.text
