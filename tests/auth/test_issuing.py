"""Tokens that the registry issues itself."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.identity import Identity, Login
from registry_core.auth.tokens.issuing import Issuer, RefreshTokens
from registry_core.auth.tokens.keys import SigningKey, parse_jwks
from registry_core.auth.tokens.verification import TokenVerifier
from registry_core.spec.scopes import parse_scopes, repository_scope

pytestmark = pytest.mark.anyio

KEY, OLD_KEY = SigningKey.generate(), SigningKey(ed25519.Ed25519PrivateKey.generate())
SERVICE = "registry.test"
NOW = 1_700_000_000.0
ISSUER = Issuer(KEY, SERVICE, now=lambda: NOW)
REFRESH = RefreshTokens(ISSUER)
ALICE = Login(
    Identity("alice", "entra", frozenset({"g"}), frozenset({"r"})),
    "entra",
    "a fingerprint",
    parse_scopes(["repository:a/**:pull"]),
)


def verifier(issuer: Issuer, now: float = NOW) -> TokenVerifier:
    return TokenVerifier(parse_jwks(issuer.jwks), SERVICE, SERVICE, now=lambda: now)


@pytest.mark.parametrize("key", [KEY, OLD_KEY], ids=lambda key: key.algorithm)
async def test_a_token_is_verified_with_the_published_keys(key: SigningKey) -> None:
    issuer = replace(ISSUER, key=key)
    scopes = (repository_scope("a/b", "pull", "push"),)
    verified = await verifier(issuer).verify(issuer.issue("alice", scopes))
    assert (verified.subject, verified.scopes) == ("alice", scopes)
    assert (verified.begins, verified.expires) == (NOW, NOW + 300)


async def test_tokens_of_the_previous_key_are_valid_and_new_ones_use_the_new_key() -> None:
    rotated = replace(ISSUER, previous=OLD_KEY)
    earlier = replace(ISSUER, key=OLD_KEY).issue("alice")
    assert (await verifier(rotated).verify(earlier)).subject == "alice"
    assert jwt.get_unverified_header(rotated.issue("alice"))["kid"] == KEY.id
    with pytest.raises(CredentialsInvalid):
        await verifier(ISSUER).verify(earlier)


def test_only_public_keys_are_published() -> None:
    keys = replace(ISSUER, previous=OLD_KEY).jwks["keys"]
    assert [key["kid"] for key in keys] == [KEY.id, OLD_KEY.id]
    assert [key["alg"] for key in keys] == ["ES256", "EdDSA"]
    assert all(set(key) <= {"kty", "crv", "x", "y", "use", "alg", "kid"} for key in keys)


@pytest.mark.parametrize("key", [KEY, OLD_KEY], ids=lambda key: key.algorithm)
def test_a_key_is_parsed_from_its_own_pem(key: SigningKey) -> None:
    assert SigningKey.parse(key.pem()).jwk == key.jwk


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "not a key",
        ec.generate_private_key(ec.SECP384R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode(),
        ed448.Ed448PrivateKey.generate()
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode(),
    ],
    ids=["empty", "text", "P-384", "Ed448"],
)
def test_other_kinds_of_keys_are_refused_and_not_quoted(pem: str) -> None:
    with pytest.raises(ValueError, match=r"^must be") as refused:
        SigningKey.parse(pem)
    assert len(str(refused.value)) < 100


async def test_a_refresh_token_contains_the_login() -> None:
    token = REFRESH.issue(ALICE)
    assert token is not None
    assert await REFRESH.read(token) == ALICE
    assert await REFRESH.read(REFRESH.issue(replace(ALICE, limits=None)) or "") == replace(
        ALICE, limits=None
    )


async def test_refresh_and_access_tokens_are_not_interchangeable() -> None:
    with pytest.raises(CredentialsInvalid):
        await verifier(ISSUER).verify(REFRESH.issue(ALICE) or "")
    with pytest.raises(CredentialsInvalid):
        await REFRESH.read(ISSUER.issue("alice", claims={"identity": {}, "source": "entra"}))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "." * 100_000])
async def test_malformed_tokens_are_refused(token: str) -> None:
    with pytest.raises(CredentialsInvalid):
        await REFRESH.read(token)


async def test_a_refresh_token_expires() -> None:
    token = REFRESH.issue(ALICE) or ""
    for after, holds in [(30 * 86400 - 1, True), (30 * 86400 + 61, False)]:
        later = replace(REFRESH, issuer=replace(ISSUER, now=partial(float, NOW + after)))
        if holds:
            assert await later.read(token) == ALICE
        else:
            with pytest.raises(CredentialsInvalid, match="expired"):
                await later.read(token)


def test_a_login_may_shorten_its_refresh_token_or_have_none() -> None:
    token = REFRESH.issue(replace(ALICE, refresh_seconds=3600)) or ""
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 3600
    assert REFRESH.issue(replace(ALICE, refresh_seconds=0)) is None
    assert replace(REFRESH, seconds=0).issue(ALICE) is None


def test_private_keys_are_not_part_of_the_repr() -> None:
    assert "PrivateKey" not in repr(ISSUER)
