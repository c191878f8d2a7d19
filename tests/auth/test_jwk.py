"""Keys become the same JWKs, and JWKs the same keys, as with PyJWT."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from registry_core.auth.tokens.jwk import PublicKey, parse_public_key, to_jwk

EC = ec.generate_private_key(ec.SECP256R1()).public_key()
# A coordinate that begins with a zero byte is written in full: RFC 7518, section 6.2.1.2.
SHORT = ec.derive_private_key(43, ec.SECP256R1()).public_key()
PUBLIC: dict[str, tuple[PublicKey, dict[str, Any]]] = {
    "RSA": (
        key := rsa.generate_private_key(65537, 2048).public_key(),
        RSAAlgorithm.to_jwk(key, as_dict=True),
    ),
    **{
        key.curve.name: (key, ECAlgorithm.to_jwk(key, as_dict=True))
        for key in (
            EC,
            ec.generate_private_key(ec.SECP384R1()).public_key(),
            ec.generate_private_key(ec.SECP521R1()).public_key(),
        )
    },
    "a short coordinate": (SHORT, ECAlgorithm.to_jwk(SHORT, as_dict=True)),
    "Ed25519": (
        edwards := ed25519.Ed25519PrivateKey.generate().public_key(),
        OKPAlgorithm.to_jwk(edwards, as_dict=True),
    ),
}


def test_a_coordinate_is_short() -> None:
    numbers = SHORT.public_numbers()
    assert min(numbers.x, numbers.y) < 2**248


@pytest.mark.parametrize("kind", PUBLIC)
def test_a_key_is_written_as_by_pyjwt(kind: str) -> None:
    public, jwk = PUBLIC[kind]
    written = to_jwk(public)
    assert {name: jwk[name] for name in written} == written


@pytest.mark.parametrize("kind", PUBLIC)
def test_a_key_is_read_back(kind: str) -> None:
    public, jwk = PUBLIC[kind]
    assert parse_public_key(jwk) == public
    assert parse_public_key({**jwk, "d": "a private part", "use": "sig"}) == public


P256 = to_jwk(EC)
POINT = EC.public_numbers()


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {**P256, "kty": "oct"},
        {**P256, "kty": None},
        {**P256, "crv": "secp256k1"},
        {**P256, "crv": "P-384"},
        {**P256, "x": P256["y"], "y": P256["x"]},  # not on the curve
        {**P256, "x": "AA" + P256["x"]},
        {**P256, "y": P256["y"][:-2]},
        {**P256, "x": 1},
        {**P256, "x": "é" * 43},
        {**P256, "x": "%" + P256["x"][1:]},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "RSA", "n": "AQAB", "e": "Ag"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key(), as_dict=True),
    ],
)
def test_other_keys_are_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_public_key(jwk)
