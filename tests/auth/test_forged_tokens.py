"""Tokens that were not made by the issuer, or were altered, are refused."""

from __future__ import annotations

import base64
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from registry_core.auth.caller import CredentialsInvalid
from tests.support.certificates import certify
from tests.support.oidc_issuer import ec_key

from .tokens import KEY, RSA, by_hand, claims, refuses, signed, verifier

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "HS256", "nonsense", None, 1, []]
)
async def test_an_unsigned_token_is_refused(algorithm: object) -> None:
    """Even if the settings list the algorithm."""
    token = by_hand({"alg": algorithm, "kid": KEY.kid}, claims())
    await refuses(token)
    await refuses(token, algorithms={"none", "None", "HS256", "nonsense", "ES256"})


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_public_key_is_not_accepted_as_a_shared_secret(algorithm: str) -> None:
    """Anybody can read it and sign with it."""
    public = RSA.private.public_key()
    hashed = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    for form in (Encoding.PEM, Encoding.DER):
        secret = public.public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
        unsigned = by_hand({"alg": algorithm, "kid": RSA.kid}, claims()).rstrip(".")
        signature = hmac.digest(secret, unsigned.encode(), hashed)
        token = f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
        await refuses(token)
        await refuses(token, algorithms={algorithm})


async def test_the_algorithm_must_fit_the_key() -> None:
    """A key set may restrict a key to one algorithm; RSA keys have no elliptic curves."""
    for algorithm in ("PS256", "RS512"):
        token = jwt.encode(claims(), RSA.private, algorithm, headers={"kid": RSA.kid})
        await refuses(token)
    await refuses(by_hand({"alg": "RS256", "kid": KEY.kid}, claims(), b"x" * 256))


async def test_a_key_in_the_token_is_not_trusted() -> None:
    other = certify("attacker")
    jwk = ec_key()
    for header in (
        {"jwk": jwk.jwk()},
        {"jwk": jwk.jwk(), "kid": KEY.kid},
        {"kid": KEY.kid},
        {"kid": jwk.kid},
        {"kid": "../../dev/null"},
        {"x5c": [other.x5c], "kid": KEY.kid},
        {"jku": "http://127.0.0.1:1/keys", "kid": KEY.kid},
        {"x5u": "http://127.0.0.1:1/chain", "kid": KEY.kid},
    ):
        key = other.key if "x5c" in header else jwk.private
        await refuses(jwt.encode(claims(), key, "ES256", headers=header))


async def test_an_altered_token_is_refused() -> None:
    head, _, signature = signed().split(".")
    payload = base64.urlsafe_b64encode(json.dumps(claims(sub="root")).encode()).decode()
    await refuses(f"{head}.{payload.rstrip('=')}.{signature}")
    await refuses(f"{signed().rpartition('.')[0]}.")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b",
        "\N{SNOWMAN}",
        "\ud800",
        "a b c",
        by_hand({"alg": "ES256", "kid": KEY.kid, "crit": ["x"], "x": 1}, {}, b"x" * 64),
        by_hand({"alg": "ES256", "kid": KEY.kid, "b64": False, "crit": ["b64"]}, {}, b"x" * 64),
        pytest.param(base64.urlsafe_b64encode(b"[" * 20_000).decode() + ".e30.e30", id="deep"),
        pytest.param("x" * 10_000_000, id="huge"),
    ],
)
async def test_malformed_tokens_are_refused(token: str) -> None:
    with pytest.raises(CredentialsInvalid):
        await verifier().verify(token)


async def test_claims_must_be_an_object() -> None:
    for payload in (b"[]", b"1", b"\xff", b"[" * 20_000, b""):
        token = jwt.PyJWS().encode(payload, KEY.private, "ES256", headers={"kid": KEY.kid})
        await refuses(token)
