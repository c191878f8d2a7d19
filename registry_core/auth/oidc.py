"""Tokens of OpenID Connect issuers, verified with the keys that an issuer itself leads to.

Sources: OpenID Connect Discovery 1.0, sections 3 and 4; OpenID Connect Core 1.0, section 3.1.3.7,
"ID Token Validation".
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .caller import CredentialsInvalid
from .fetching import FetchFailed, fetch_json
from .key_url import KeysAtUrl
from .keys import ALGORITHMS, KeySource
from .verification import TOKEN_LIMIT, judged, signed_claims

_WELL_KNOWN = "/.well-known/openid-configuration"

# Somebody waits for them, and they come in some milliseconds if they come at all.
_FETCH_SECONDS = 5.0
_DISCOVERY_BYTES = 64 * 2**10


def issuer_of(token: str) -> str | None:
    """Whose token it says it is; None when it is none.

    Nothing is verified: the answer is good for choosing the keys to verify it with, no more.
    """
    if len(token) > TOKEN_LIMIT or token.count(".") != 2:
        return None
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else None


def discovered_keys(issuer: str, base: str | None = None) -> KeysAtUrl:
    """The keys that the discovery document of ``issuer`` leads to.

    ``base``: where that document is, unless it is below the issuer's own name. They are kept as
    `KeysAtUrl` says; each time the document is read anew.
    """

    async def fetch(url: str) -> dict[str, Any]:
        document = await fetch_json(url, timeout=_FETCH_SECONDS, limit_bytes=_DISCOVERY_BYTES)
        if document.get("issuer") != issuer:
            raise FetchFailed(f"{url} is of the issuer {document.get('issuer')!r}, not {issuer!r}")
        at = document.get("jwks_uri")
        if not isinstance(at, str):
            raise FetchFailed(f"{url} names no jwks_uri")
        return await fetch_json(at, timeout=_FETCH_SECONDS)

    return KeysAtUrl((base or issuer).rstrip("/") + _WELL_KNOWN, fetch=fetch)


@dataclass(frozen=True)
class IssuedTokens:
    """The tokens of one issuer: ``issuer`` is compared with ``iss`` letter by letter."""

    issuer: str
    keys: KeySource
    algorithms: Collection[str] = ALGORITHMS
    now: Callable[[], float] = time.time

    async def claims(self, token: str) -> Mapping[str, Any]:
        """What a token says that the issuer signed and that is good now; ``sub`` is text.

        Whom it is for (`check_audience`) is for the caller to judge.

        :raises CredentialsInvalid: it proves nothing.
        :raises Unavailable: the issuer's keys cannot be had now.
        """
        claims = await signed_claims(token, self.keys, self.algorithms)
        if claims.get("iss") != self.issuer:
            raise CredentialsInvalid("the token is of another issuer")
        # ``access`` has a meaning in Docker's tokens; elsewhere anything may be called so.
        verified = judged({name: claim for name, claim in claims.items() if name != "access"})
        verified.check_times(self.now())
        if not verified.subject:
            raise CredentialsInvalid("the token has no subject")
        return verified.claims
