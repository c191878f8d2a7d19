"""A small OpenID Connect issuer on loopback: discovery document, key set and tokens.

with OidcIssuer() as issuer:
    token = issuer.token(sub="repo:org/app:ref:refs/heads/main", aud="registry")
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.loopback_server import JsonHandler, LoopbackServer

WELL_KNOWN = "/.well-known/openid-configuration"
KEYS = "/keys"


@dataclass(frozen=True)
class SigningKey:
    """A private key with its id in the issuer's key set."""

    private: RSAPrivateKey | EllipticCurvePrivateKey
    algorithm: str
    kid: str = field(default_factory=lambda: uuid.uuid4().hex)

    def jwk(self) -> dict[str, Any]:
        """Return the public key as an entry of a key set."""
        if isinstance(self.private, RSAPrivateKey):
            public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            public = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "use": "sig", "alg": self.algorithm, "kid": self.kid}


@cache
def _rsa(_number: int) -> RSAPrivateKey:
    """Generate a key once for all tests, because it takes long."""
    return generate_rsa(public_exponent=65537, key_size=2048)


def rsa_key(number: int = 0) -> SigningKey:
    """Return an RS256 key; each ``number`` has its own."""
    return SigningKey(_rsa(number), "RS256")


def ec_key() -> SigningKey:
    """Return a new ES256 key."""
    return SigningKey(generate_private_key(SECP256R1()), "ES256")


class OidcIssuer:
    """The issuer; it listens while its context is entered.

    ``url`` is its identifier; ``documents`` maps paths to bodies, and ``requested`` lists the paths
    of all requests. While ``answering`` is clear, requests wait.
    """

    def __init__(self, key: SigningKey | None = None) -> None:
        self.key = key or ec_key()
        self.documents: dict[str, bytes] = {}
        self.requested: list[str] = []
        self.answering = threading.Event()
        self.answering.set()
        self.url = ""

    def announce(self, path: str = "", issuer: str | None = None, jwks_uri: str = "") -> None:
        """Serve a discovery document for the issuer at ``path``, by default a valid one."""
        document = {
            "issuer": self.url + path if issuer is None else issuer,
            "jwks_uri": jwks_uri or self.url + KEYS,
            "id_token_signing_alg_values_supported": [self.key.algorithm],
        }
        self.documents[path + WELL_KNOWN] = json.dumps(document).encode()

    def publish(self, *keys: SigningKey) -> None:
        """Serve a key set of exactly these keys."""
        self.documents[KEYS] = json.dumps({"keys": [key.jwk() for key in keys]}).encode()

    def rotate(self) -> None:
        """Sign with a new key from now on and publish only that."""
        self.key = ec_key() if self.key.algorithm == "ES256" else rsa_key(1)
        self.publish(self.key)

    def token(
        self,
        *,
        key: SigningKey | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a token that is valid for five minutes; claims that are None are omitted."""
        key, now = key or self.key, int(time.time())
        usual = {"iss": self.url, "iat": now, "nbf": now, "exp": now + 300}
        payload = {k: v for k, v in {**usual, **claims}.items() if v is not None}
        return jwt.encode(
            payload,
            key.private,
            algorithm=key.algorithm,
            headers={"kid": key.kid, **(header or {})},
        )

    def __enter__(self) -> Self:
        self._server = LoopbackServer(_handler(self))
        self.url = self._server.url
        self.announce()
        self.publish(self.key)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.answering.set()
        self._server.stop()


def _handler(issuer: OidcIssuer) -> type[JsonHandler]:
    class Handler(JsonHandler):
        def answer(self, body: bytes | None) -> None:
            issuer.requested.append(self.path)
            issuer.answering.wait(60)
            content = issuer.documents.get(self.path)
            self.reply(200 if content is not None else 404, content or b"")

    return Handler
