"""An issuer's keys and tokens, and a verifier for them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest

from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.tokens.keys import KeySet, parse_jwks
from registry_core.auth.tokens.verification import TokenVerifier
from tests.support.oidc_issuer import ec_key, rsa_key

ISSUER, SERVICE = "issuer.test", "registry.test"
KEY, RSA = ec_key(), rsa_key()
KEYS = parse_jwks({"keys": [KEY.jwk(), RSA.jwk()]})
ACCESS = [{"type": "repository", "name": "a/b", "actions": ["pull", "push"]}]


def verifier(
    keys: KeySet = KEYS, now: Callable[[], float] = time.time, **also: Any
) -> TokenVerifier:
    return TokenVerifier(keys, ISSUER, SERVICE, now=now, **also)


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a valid token. Those given as None are left out."""
    usual = {"iss": ISSUER, "aud": SERVICE, "sub": "alice", "exp": time.time() + 300}
    return {k: v for k, v in {**usual, "access": ACCESS, **changed}.items() if v is not None}


def signed(key: Any = KEY.private, algorithm: str = "ES256", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm, headers={"kid": KEY.kid})


def by_hand(header: Mapping[str, Any], payload: object, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def refuses(token: str, **also: Any) -> str:
    """Check that the token is refused. Return the reason."""
    with pytest.raises(CredentialsInvalid) as error:
        await verifier(**also).verify(token)
    assert token not in str(error.value)
    return str(error.value)
