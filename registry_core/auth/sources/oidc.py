"""Tokens of OpenID Connect issuers, verified with the keys that the issuer's discovery names.

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

from ..caller import CredentialsInvalid
from ..secure_urls import is_of_this_machine
from ..tokens.claims import VerifiedToken, check_issuer
from ..tokens.keys import ALGORITHMS, KeySource
from ..tokens.remote_keys import FetchFailed, KeysAtUrl, fetch_json
from ..tokens.verification import TOKEN_LIMIT, verify_signature

_WELL_KNOWN = "/.well-known/openid-configuration"

# A client waits for the answer, which takes milliseconds if it comes at all.
_FETCH_SECONDS = 5.0
_DISCOVERY_BYTES = 64 * 2**10


def issuer_of(token: str) -> str | None:
    """Return the issuer that a token claims; None if it is not a token.

    Nothing is verified: use the result only to choose the keys that verify the token.
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
    """Return the keys that the discovery document of an issuer leads to.

    They are fetched and refreshed as `KeysAtUrl` describes, the discovery document each time too.

    :param base: the URL below which the document is, if that is not the issuer.
    """

    async def fetch(url: str) -> dict[str, Any]:
        document = await fetch_json(url, timeout=_FETCH_SECONDS, limit_bytes=_DISCOVERY_BYTES)
        if document.get("issuer") != issuer:
            raise FetchFailed(
                f"{url} describes the issuer {document.get('issuer')!r}, not {issuer!r}"
            )
        keys_url = document.get("jwks_uri")
        if not isinstance(keys_url, str):
            raise FetchFailed(f"{url} has no jwks_uri")
        if is_of_this_machine(keys_url) and not is_of_this_machine(url):
            # An issuer that is trusted for its tokens is not trusted to reach what runs here.
            raise FetchFailed(f"{url} leads to this machine: {keys_url!r}")
        return await fetch_json(keys_url, timeout=_FETCH_SECONDS)

    return KeysAtUrl((base or issuer).rstrip("/") + _WELL_KNOWN, fetch=fetch)


@dataclass(frozen=True)
class IssuedTokens:
    """The tokens of one issuer, which is compared with the claim ``iss`` letter by letter."""

    issuer: str
    keys: KeySource
    algorithms: Collection[str] = ALGORITHMS
    now: Callable[[], float] = time.time

    async def claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token that the issuer signed and that is valid now.

        ``sub`` is a string that is not empty. The audience is for the caller to check
        (`check_audience`).

        :raises CredentialsInvalid: the token proves nothing.
        :raises Unavailable: the issuer's keys cannot be fetched now.
        """
        claims = await verify_signature(token, self.keys, self.algorithms)
        check_issuer(claims, self.issuer)
        # The claim "access" has a meaning in Docker's tokens only; elsewhere it may be anything.
        verified = VerifiedToken.from_claims({k: v for k, v in claims.items() if k != "access"})
        verified.check_times(self.now())
        if not verified.subject:
            raise CredentialsInvalid("the token has no subject (sub)")
        return verified.claims
