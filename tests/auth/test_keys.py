"""The keys of an issuer: which are accepted, their ids, and their algorithms."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.tokens.jwk import thumbprint
from registry_core.auth.tokens.keys import ALGORITHMS, Key, KeyUnusable, libtrust_id, parse_jwks
from tests.support.oidc_issuer import SigningKey, ec_key, rsa_key

pytestmark = pytest.mark.anyio

# RFC 7638, section 3.1
RFC_7638 = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ"
    "ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
    "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4l"
    "Fd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC_7638_THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

ED25519 = ed25519.Ed25519PrivateKey.generate()
SECRET = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}


def jwks(*keys: object) -> dict[str, object]:
    return {"keys": list(keys)}


def test_the_thumbprint_is_as_in_the_rfc() -> None:
    assert thumbprint(RFC_7638) == RFC_7638_THUMBPRINT
    assert parse_jwks(jwks(RFC_7638)).named[RFC_7638_THUMBPRINT].thumbprint == RFC_7638_THUMBPRINT


def test_the_libtrust_id_has_the_form_of_libtrusts() -> None:
    """48 characters of base 32, in groups of four."""
    key = Key.of(ec_key().private.public_key())
    groups = libtrust_id(key).split(":")
    assert [len(group) for group in groups] == [4] * 12
    assert libtrust_id(key) == libtrust_id(Key.of(key.public))


@pytest.mark.parametrize(
    "public, algorithms",
    [
        (rsa_key().private.public_key(), {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        (ec.generate_private_key(ec.SECP256R1()).public_key(), {"ES256"}),
        (ec.generate_private_key(ec.SECP384R1()).public_key(), {"ES384"}),
        (ec.generate_private_key(ec.SECP521R1()).public_key(), {"ES512"}),
        (ED25519.public_key(), {"EdDSA"}),
    ],
)
def test_a_key_is_used_with_the_algorithms_of_its_kind(
    public: object, algorithms: set[str]
) -> None:
    assert Key.of(public).algorithms == algorithms
    assert algorithms <= ALGORITHMS


@pytest.mark.parametrize(
    "public",
    [
        rsa.generate_private_key(65537, 1024).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ED25519,
        b"a secret",
    ],
)
def test_other_kinds_of_keys_are_refused(public: object) -> None:
    """Too short, on an unusual curve, private, or a shared secret."""
    with pytest.raises(KeyUnusable):
        Key.of(public)


def test_no_algorithm_is_symmetric() -> None:
    assert not {"none", "HS256", "HS384", "HS512"} & ALGORITHMS


@pytest.mark.parametrize("signing", [rsa_key(), ec_key()])
async def test_a_key_is_found_by_id_by_thumbprint_and_by_the_key_itself(
    signing: SigningKey,
) -> None:
    keys = parse_jwks(jwks(SECRET, signing.jwk()))
    for header in (
        {"kid": signing.kid},
        {"kid": thumbprint(signing.jwk())},
        {"jwk": signing.jwk()},
    ):
        assert (await keys.find(header)).public == signing.private.public_key()


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"kid": ""},
        {"kid": "another"},
        {"kid": None},
        {"kid": ["k"]},
        {"jwk": ec_key().jwk()},
        {"jwk": None, "kid": "another"},
        {"jwk": "text"},
        {"jwk": {"kty": "EC"}},
        {"jwk": {"kty": ["EC"]}},
        {"jwk": SECRET},
        {"jku": "https://attacker.example/keys"},
        {"x5u": "https://attacker.example/chain"},
    ],
)
async def test_no_other_key_is_found(header: dict[str, Any]) -> None:
    """Neither one in the token, nor one at a URL in the token."""
    with pytest.raises(CredentialsInvalid):
        await parse_jwks(jwks(ec_key().jwk())).find(header)


async def test_a_key_in_the_header_takes_precedence_over_its_id() -> None:
    """A trusted ``kid`` does not make the key beside it trusted."""
    trusted = ec_key()
    with pytest.raises(CredentialsInvalid):
        await parse_jwks(jwks(trusted.jwk())).find({"kid": trusted.kid, "jwk": ec_key().jwk()})


async def test_a_key_set_may_restrict_a_key() -> None:
    """``alg`` to one algorithm, ``use`` to other purposes."""
    signing = rsa_key()
    narrow = await parse_jwks(jwks(signing.jwk())).find({"kid": signing.kid})
    assert narrow.algorithms == {"RS256"}
    for said in ({"use": "enc"}, {"alg": "RSA-OAEP"}, {"alg": "HS256"}, {"alg": "ES256"}):
        with pytest.raises(ValueError, match="no usable key"):
            parse_jwks(jwks({**signing.jwk(), **said}))


PRIVATE_RSA, PRIVATE_EC = rsa_key().private, ec_key().private
assert isinstance(PRIVATE_RSA, rsa.RSAPrivateKey)
assert isinstance(PRIVATE_EC, ec.EllipticCurvePrivateKey)


@pytest.mark.parametrize(
    "jwk, public",
    [
        (RSAAlgorithm.to_jwk(PRIVATE_RSA, as_dict=True), PRIVATE_RSA.public_key()),
        (ECAlgorithm.to_jwk(PRIVATE_EC, as_dict=True), PRIVATE_EC.public_key()),
        (OKPAlgorithm.to_jwk(ED25519, as_dict=True), ED25519.public_key()),
    ],
)
async def test_only_the_public_half_of_a_private_key_is_used(
    jwk: dict[str, Any], public: object
) -> None:
    assert "d" in jwk
    assert await parse_jwks(jwks(jwk | {"kid": "a"})).find({"kid": "a"}) == Key.of(public)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"keys": None},
        {"keys": []},
        jwks(SECRET),
        jwks(None, 1, "text", []),
        jwks({"kty": "RSA"}),
        jwks({"kty": ["RSA"]}),
        jwks({"kty": "RSA", "n": 1, "e": 2}),
        jwks({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        jwks({"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"}),
        jwks({"kty": "OKP", "crv": "X25519", "x": "AA"}),
        jwks({**RFC_7638, "n": "%"}),
    ],
)
def test_a_key_set_needs_a_usable_key(document: object) -> None:
    with pytest.raises(ValueError, match=r"not a JWK set|no usable key"):
        parse_jwks(document)
