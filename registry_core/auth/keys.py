"""Public keys that signatures are checked with, and how a token's header says which one.

Sources: RFC 7517 (JWK), RFC 7518 (algorithms), RFC 7638 (thumbprints), RFC 8037 (Ed25519);
distribution's registry/auth/token/token.go and, for ``kid``, libtrust's "KeyID".
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWTError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from .caller import CredentialsInvalid

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_OF_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_OF_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ALGORITHMS = _OF_RSA | frozenset(_OF_CURVE.values()) | {"EdDSA"}
"""All that are taken. Whoever can check a signature by one of them cannot make one."""

# NIST SP 800-57: less has not counted as secure since 2013.
_RSA_BITS = 2048

_PARSERS: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}
# RFC 7638, section 3.2, and RFC 8037, section 2: "the required members".
_REQUIRED = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


class KeyUnusable(ValueError):
    """Of a kind that no signature is checked with here. The text says why."""


@dataclass(frozen=True)
class Key:
    """``algorithms`` are those that the key may be used with."""

    public: PublicKey
    algorithms: frozenset[str]
    thumbprint: str = field(repr=False)

    @classmethod
    def of(cls, public: object) -> Key:
        """:raises KeyUnusable: it is no public key, or none for signatures."""
        match public:
            case RSAPublicKey():
                if public.key_size < _RSA_BITS:
                    raise KeyUnusable(f"an RSA key of {public.key_size} bits is too short")
                algorithms, jwk = _OF_RSA, RSAAlgorithm.to_jwk(public, as_dict=True)
            case EllipticCurvePublicKey() if public.curve.name in _OF_CURVE:
                algorithms = frozenset({_OF_CURVE[public.curve.name]})
                jwk = ECAlgorithm.to_jwk(public, as_dict=True)
            case Ed25519PublicKey():
                algorithms, jwk = frozenset({"EdDSA"}), OKPAlgorithm.to_jwk(public, as_dict=True)
            case _:
                raise KeyUnusable("only RSA, P-256, P-384, P-521 and Ed25519 keys are taken")
        return cls(public, algorithms, thumbprint(jwk))


class KeySource(Protocol):
    """Where the keys of an issuer are."""

    async def find(self, header: Mapping[str, Any]) -> Key:
        """The trusted key that a token's header names.

        :raises CredentialsInvalid: it names none, or one that is not trusted.
        :raises Unavailable: the keys cannot be had now.
        """


@dataclass(frozen=True)
class KeySet:
    """Trusted keys by the names that they are called by: ``kid``, and thumbprint."""

    named: Mapping[str, Key]

    @classmethod
    def of(cls, keys: Iterable[Key]) -> KeySet:
        """Keys without another name, as those of certificates."""
        return cls({name: key for key in keys for name in (key.thumbprint, libtrust_id(key))})

    def get(self, header: Mapping[str, Any]) -> Key | None:
        """The key that ``jwk`` holds or, without that, ``kid`` names.

        What ``jwk`` holds is never used, only compared.
        """
        jwk, kid = header.get("jwk"), header.get("kid")
        name = kid if jwk is None else thumbprint(jwk)
        return self.named.get(name) if isinstance(name, str) else None

    async def find(self, header: Mapping[str, Any]) -> Key:
        key = self.get(header)
        if key is None:
            raise CredentialsInvalid("the token is signed with a key that is not trusted")
        return key


def parse_jwks(document: object) -> KeySet:
    """The keys of a JWK set (RFC 7517, section 5) that signatures can be checked with.

    :raises ValueError: it is none, or has no such key.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError('it is no JWK set: {"keys": [...]}')  # noqa: TRY004 - a value that came
    named: dict[str, Key] = {}
    problems = []
    for entry in entries:
        try:
            key = _parse_jwk(entry)
        except KeyUnusable as error:  # "Implementations SHOULD ignore JWKs" that they do not know
            problems.append(str(error))
            continue
        named |= {key.thumbprint: key, _kid(entry) or key.thumbprint: key}
    if not named:
        raise ValueError(f"it has no usable key: {'; '.join(problems) or 'it is empty'}")
    return KeySet(named)


def _kid(jwk: Mapping[str, Any]) -> str:
    kid = jwk.get("kid")
    return kid if isinstance(kid, str) else ""


def _parse_jwk(jwk: object) -> Key:
    """:raises KeyUnusable:"""
    if not isinstance(jwk, dict) or str(jwk.get("kty")) not in _REQUIRED:
        raise KeyUnusable("only keys of type RSA, EC and OKP are taken")
    if jwk.get("use", "sig") != "sig":
        raise KeyUnusable("a key is not for signatures")
    # Only what makes the public key: a private part would be nothing for here.
    public = {name: jwk.get(name) for name in _REQUIRED[jwk["kty"]]}
    try:
        key = Key.of(_PARSERS[jwk["kty"]](public))
    except (PyJWTError, TypeError, ValueError) as error:
        raise KeyUnusable(str(error)) from error
    algorithm = jwk.get("alg")
    if algorithm is None:
        return key
    if algorithm not in key.algorithms:
        raise KeyUnusable(f"a key of type {jwk['kty']} is not for {algorithm!r}")
    return Key(key.public, frozenset({algorithm}), key.thumbprint)


def thumbprint(jwk: object) -> str:
    """RFC 7638, with SHA-256; empty for what is no public key of a known type."""
    required = _REQUIRED.get(str(jwk.get("kty"))) if isinstance(jwk, Mapping) else None
    if required is None or not isinstance(jwk, Mapping):
        return ""
    members = {name: jwk.get(name) for name in required}
    if not all(isinstance(value, str) for value in members.values()):
        return ""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def libtrust_id(key: Key) -> str:
    """What issuers made for distribution v2 call a key: 12 groups of 4 letters and digits."""
    der = key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return ":".join(text[i : i + 4] for i in range(0, len(text), 4))
