"""Public keys as JSON Web Keys: RFC 7517; RFC 7518, section 6 (RSA, EC); RFC 8037 (Ed25519).

Written for cryptography alone. Keys are checked at the start of an instance, and importing PyJWT
takes three times as long.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

PublicKey: TypeAlias = RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey

# RFC 7638, section 3.2, and RFC 8037, section 2: "the required members".
REQUIRED = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}

_CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_CURVE_NAMES = {curve.name: name for name, curve in _CURVES.items()}
_ED25519 = "Ed25519"


def parse_public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """Return the public key of a JWK; private members are ignored.

    :raises ValueError: it is malformed, or of another type or curve.
    """
    match jwk.get("kty"):
        case "RSA":
            numbers = RSAPublicNumbers(e=_number(jwk, "e"), n=_number(jwk, "n"))
            return numbers.public_key()
        case "EC":
            return _parse_point(jwk)
        case "OKP" if jwk.get("crv") == _ED25519:
            return Ed25519PublicKey.from_public_bytes(_decode(jwk, "x"))
    raise ValueError(f"keys of the type {jwk.get('kty')!r} {jwk.get('crv', '')} are not supported")


def _parse_point(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    curve = _CURVES.get(str(jwk.get("crv")))
    if curve is None:
        raise ValueError(f"the curve {jwk.get('crv')!r} is not supported")
    x, y = _decode(jwk, "x"), _decode(jwk, "y")
    if not len(x) == len(y) == _coordinate_bytes(curve):
        raise ValueError("a coordinate does not have the full length of its curve")
    return ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve
    ).public_key()


def to_jwk(public: PublicKey) -> dict[str, str]:
    """Return the JWK of a public key on one of the curves of `parse_public_key`, or of RSA."""
    match public:
        case RSAPublicKey():
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": _encode_number(numbers.n), "e": _encode_number(numbers.e)}
        case ec.EllipticCurvePublicKey():
            point, size = public.public_numbers(), _coordinate_bytes(public.curve)
            return {
                "kty": "EC",
                "crv": _CURVE_NAMES[public.curve.name],
                "x": _encode(point.x.to_bytes(size, "big")),
                "y": _encode(point.y.to_bytes(size, "big")),
            }
    return {"kty": "OKP", "crv": _ED25519, "x": _encode(public.public_bytes_raw())}


def thumbprint(jwk: object) -> str:
    """Return the SHA-256 thumbprint (RFC 7638) of a public key; empty for anything else."""
    required = REQUIRED.get(str(jwk.get("kty"))) if isinstance(jwk, Mapping) else None
    if required is None or not isinstance(jwk, Mapping):
        return ""
    members = {name: jwk.get(name) for name in required}
    if not all(isinstance(value, str) for value in members.values()):
        return ""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return _encode(hashlib.sha256(canonical).digest())


def _coordinate_bytes(curve: ec.EllipticCurve) -> int:
    return (curve.key_size + 7) // 8


def _number(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_decode(jwk, name), "big")


def _encode_number(number: int) -> str:
    return _encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _decode(jwk: Mapping[str, Any], name: str) -> bytes:
    """Decode a member in base64url; raises `ValueError` for anything else."""
    text = jwk.get(name)
    if not isinstance(text, str):
        raise ValueError(f"the member {name!r} of a key is not a text")  # noqa: TRY004 - a value from outside
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
