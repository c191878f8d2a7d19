"""Keys: public ones that verify signatures, as a token's header names them, and the one that signs.

Sources: RFC 7517 (JWK), RFC 7518 (algorithms), RFC 7638 (thumbprints), RFC 8037 (Ed25519);
distribution's registry/auth/token/token.go and, for ``kid``, libtrust's "KeyID".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..caller import CredentialsInvalid
from .jwk import REQUIRED, PublicKey, parse_public_key, thumbprint, to_jwk

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | Ed25519PrivateKey

_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVE_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ALGORITHMS = _RSA_ALGORITHMS | frozenset(_CURVE_ALGORITHMS.values()) | {"EdDSA"}
"""The accepted algorithms. With these, a key that verifies a signature cannot make one."""

# NIST SP 800-57: shorter keys have not counted as secure since 2013.
_RSA_BITS = 2048


class KeyUnusable(ValueError):
    """The key is of a kind that is not accepted. The text says why."""


@dataclass(frozen=True)
class Key:
    """A public key, and the algorithms that it may be used with."""

    public: PublicKey
    algorithms: frozenset[str]
    thumbprint: str = field(repr=False)

    @classmethod
    def of(cls, public: object) -> Key:
        """Make a key of one of cryptography's.

        :raises KeyUnusable: it is not a public key, or not for signatures.
        """
        match public:
            case RSAPublicKey():
                if public.key_size < _RSA_BITS:
                    raise KeyUnusable(f"an RSA key of {public.key_size} bits is too short")
                algorithms = _RSA_ALGORITHMS
            case ec.EllipticCurvePublicKey() if public.curve.name in _CURVE_ALGORITHMS:
                algorithms = frozenset({_CURVE_ALGORITHMS[public.curve.name]})
            case Ed25519PublicKey():
                algorithms = frozenset({"EdDSA"})
            case _:
                raise KeyUnusable("only RSA, P-256, P-384, P-521 and Ed25519 keys are accepted")
        return cls(public, algorithms, thumbprint(to_jwk(public)))


class KeySource(Protocol):
    """The keys of an issuer."""

    async def find(self, header: Mapping[str, Any]) -> Key:
        """Return the trusted key that a token's header names.

        :raises CredentialsInvalid: the header names no key, or one that is not trusted.
        :raises Unavailable: the keys cannot be fetched now.
        """


@dataclass(frozen=True)
class KeySet:
    """Trusted keys by their names: ``kid`` and thumbprint."""

    named: Mapping[str, Key]

    @classmethod
    def of(cls, keys: Iterable[Key]) -> KeySet:
        """Make a set of keys without a ``kid``, such as those of certificates."""
        return cls({name: key for key in keys for name in (key.thumbprint, libtrust_id(key))})

    def get(self, header: Mapping[str, Any]) -> Key | None:
        """Return the key that ``jwk`` contains or, without ``jwk``, that ``kid`` names.

        The key in ``jwk`` is never used itself, only compared.
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
    """Parse the keys of a JWK set (RFC 7517, section 5) that can verify signatures.

    :raises ValueError: it is not a JWK set, or has no such key.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError('not a JWK set: {"keys": [...]}')  # noqa: TRY004 - a value from outside
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
        raise ValueError(f"no usable key: {'; '.join(problems) or 'the set is empty'}")
    return KeySet(named)


def _kid(jwk: Mapping[str, Any]) -> str:
    kid = jwk.get("kid")
    return kid if isinstance(kid, str) else ""


def _parse_jwk(jwk: object) -> Key:
    """:raises KeyUnusable:"""
    if not isinstance(jwk, dict) or str(jwk.get("kty")) not in REQUIRED:
        raise KeyUnusable("only keys of type RSA, EC and OKP are accepted")
    if jwk.get("use", "sig") != "sig":
        raise KeyUnusable("a key is not for signatures")
    try:
        key = Key.of(parse_public_key(jwk))
    except ValueError as error:
        raise KeyUnusable(str(error)) from error
    algorithm = jwk.get("alg")
    if algorithm is None:
        return key
    if algorithm not in key.algorithms:
        raise KeyUnusable(f"a key of type {jwk['kty']} does not fit the algorithm {algorithm!r}")
    return Key(key.public, frozenset({algorithm}), key.thumbprint)


def libtrust_id(key: Key) -> str:
    """Return the key's id for issuers made for distribution v2: 12 groups of 4 characters."""
    der = key.public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return ":".join(text[i : i + 4] for i in range(0, len(text), 4))


@dataclass(frozen=True)
class SigningKey:
    """The registry's own private key, for ES256 or EdDSA: their signatures are short.

    Tokens travel with every request. ``id`` is the key's thumbprint, the same on every instance.
    """

    private: PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new key for ES256."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def parse(cls, pem: str) -> SigningKey:
        """Parse a private key in PEM, on the curve P-256 or Ed25519.

        :raises ValueError: it is not such a key; the text says what is needed and quotes nothing.
        """
        try:
            private = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("must be a private key in PEM, without a password") from None
        if isinstance(private, Ed25519PrivateKey):
            return cls(private)
        if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp256r1":
            return cls(private)
        raise ValueError("must be a key on the curve P-256 (ES256) or an Ed25519 key (EdDSA)")

    @property
    def public(self) -> Key:
        """The key that verifies its signatures."""
        return Key.of(self.private.public_key())

    @property
    def id(self) -> str:
        return self.public.thumbprint

    @property
    def algorithm(self) -> str:
        [algorithm] = self.public.algorithms
        return algorithm

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as a JWK."""
        jwk = to_jwk(self.private.public_key())
        return {**jwk, "use": "sig", "alg": self.algorithm, "kid": self.id}

    def pem(self) -> str:
        """Return the private key in PEM."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def derive_secret(self, purpose: str) -> str:
        """Return a secret for one purpose, the same wherever the key is the same.

        It reveals nothing about the key: HMAC with the key as its key (NIST SP 800-108).
        """
        der = self.private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return hmac.digest(der, purpose.encode(), "sha256").hex()
