"""The registry's own key: what it signs tokens with, and its public half for who verifies them.

Sources: RFC 7517 (JWK), RFC 7518 section 3.4 (ES256), RFC 8037 (EdDSA), RFC 7638 (thumbprints).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

PrivateKey: TypeAlias = "ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey"

ES256, EDDSA = "ES256", "EdDSA"
ALGORITHMS = (ES256, EDDSA)
"""Signatures of 64 bytes: tokens travel with every request."""

_IDENTIFYING = ("crv", "kty", "x", "y")  # RFC 7638 section 3.2, and RFC 8037 section 2


@dataclass(frozen=True)
class SigningKey:
    """``id`` is the key's thumbprint: every instance that has the key calls it the same."""

    private: PrivateKey = field(repr=False)
    algorithm: str
    public: Mapping[str, str]
    id: str

    @classmethod
    def of(cls, private: PrivateKey) -> SigningKey:
        public: dict[str, str]
        if isinstance(private, ed25519.Ed25519PrivateKey):
            algorithm, public = EDDSA, OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
        else:
            algorithm, public = ES256, ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        return cls(private, algorithm, public, _thumbprint(public))

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key for ES256."""
        return cls.of(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def parse(cls, pem: str) -> SigningKey:
        """A private key as PEM, of the curve P-256 or Ed25519.

        :raises ValueError: it is none; the text says what would be right, and quotes nothing.
        """
        try:
            private = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("must be a private key as PEM, without a password") from None
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return cls.of(private)
        if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp256r1":
            return cls.of(private)
        raise ValueError("must be a key of the curve P-256 (ES256) or an Ed25519 key (EdDSA)")

    @property
    def jwk(self) -> dict[str, str]:
        """What verifies its signatures. Nothing of it is secret."""
        return {**self.public, "use": "sig", "alg": self.algorithm, "kid": self.id}

    def pem(self) -> str:
        """The private key, to be kept where only the registry reads it."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


def _thumbprint(public: Mapping[str, str]) -> str:
    identifying = {name: public[name] for name in _IDENTIFYING if name in public}
    text = json.dumps(identifying, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
