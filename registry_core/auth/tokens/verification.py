"""The verification of tokens: their signatures, and who they are from and for.

Sources: RFC 7515 (JWS), RFC 7519 (JWT), Docker's "Token Authentication Implementation";
distribution's registry/auth/token/token.go.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from ...caches import Cache
from ..caller import CredentialsInvalid
from .claims import VerifiedToken, check_audience, check_issuer
from .keys import ALGORITHMS, KeySource
from .pyjwt import load_pyjwt

TOKEN_LIMIT = 32 * 2**10
"""The longest token that is accepted, in bytes: ASP.NET Core, the front end of Functions, accepts
no more in all headers together."""

_CACHE_SECONDS = 300.0  # how long a key that its issuer has withdrawn may still be trusted
_CACHE_BYTES = 8 * 2**20


async def verify_signature(
    token: str, keys: KeySource, algorithms: Collection[str] = ALGORITHMS
) -> dict[str, Any]:
    """Return the claims of a token after verifying its signature, and nothing else.

    :param algorithms: the accepted algorithms; only asymmetric ones that fit the key are used.
    :raises CredentialsInvalid: it is not a token, or not signed with a trusted key.
    :raises Unavailable: the keys cannot be fetched now.
    """
    if len(token) > TOKEN_LIMIT:
        raise CredentialsInvalid(f"the token is longer than {TOKEN_LIMIT} bytes")
    await load_pyjwt()
    import jwt
    from jwt.api_jws import decode

    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS.intersection(algorithms):
            raise CredentialsInvalid("the token's signature algorithm is not accepted")
        key = await keys.find(header)
        if algorithm not in key.algorithms:
            raise CredentialsInvalid("the token's signature algorithm does not fit its key")
        claims = json.loads(decode(token, key.public, algorithms=[algorithm]))
    except (jwt.PyJWTError, TypeError, ValueError, RecursionError) as error:
        raise CredentialsInvalid(f"not a valid token: {type(error).__name__}") from error
    if not isinstance(claims, dict):
        raise CredentialsInvalid("not a valid token: its claims are not an object")
    return claims


@dataclass
class TokenVerifier:
    """Verifies the tokens that ``issuer`` makes for the audience ``service``.

    Verified tokens are cached for five minutes: of a token that is sent again only the times are
    checked. ``cache_bytes`` bounds the length of all cached tokens together.
    """

    keys: KeySource
    issuer: str
    service: str
    algorithms: Collection[str] = ALGORITHMS
    now: Callable[[], float] = time.time
    cache_bytes: int = _CACHE_BYTES
    _verified: Cache[bytes, tuple[int, VerifiedToken]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._verified = Cache(
            _CACHE_SECONDS, capacity=self.cache_bytes, size_of=itemgetter(0), now=self.now
        )

    async def verify(self, token: str, at: float | None = None) -> VerifiedToken:
        """Return a token's claims. It must not have expired by ``at``, or else by now.

        :raises CredentialsInvalid: the token proves nothing.
        :raises Unavailable: the issuer's keys cannot be fetched now.
        """
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        cached = self._verified.get(digest)
        if cached is not None:
            cached[1].check_times(self.now(), at)
            return cached[1]
        verified = await self._verify(token)
        verified.check_times(self.now(), at)
        self._verified.put(digest, (len(token), verified))
        return verified

    async def _verify(self, token: str) -> VerifiedToken:
        claims = await verify_signature(token, self.keys, self.algorithms)
        check_issuer(claims, self.issuer)
        check_audience(claims, (self.service,))
        return VerifiedToken.from_claims(claims)
