"""The registry's own key: what it signs tokens with, and its public half for who verifies them.

Sources: RFC 7517 (JWK), RFC 7518 section 3.4 (ES256), RFC 8037 (EdDSA), RFC 7638 (thumbprints).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from .keys import Key

PrivateKey: TypeAlias = "ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey"


@dataclass(frozen=True)
class SigningKey:
    """A key for ES256 or EdDSA, whose signatures are short: tokens come with every request.

    ``id`` is the key's thumbprint: every instance that has the key calls it the same.
    """

    private: PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key for ES256."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

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
            return cls(private)
        if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp256r1":
            return cls(private)
        raise ValueError("must be a key of the curve P-256 (ES256) or an Ed25519 key (EdDSA)")

    @property
    def public(self) -> Key:
        """What verifies its signatures."""
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
        """The public half as others read it. Nothing of it is secret."""
        jwk: dict[str, str]
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            jwk = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            jwk = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "use": "sig", "alg": self.algorithm, "kid": self.id}

    def pem(self) -> str:
        """The private key, to be kept where only the registry reads it."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
