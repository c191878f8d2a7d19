"""Tokens of an issuer, verified.

Sources: RFC 7515 (JWS), RFC 7519 (JWT), Docker's "Token Authentication Implementation";
distribution's registry/auth/token/token.go.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from ..spec.scopes import Scope
from .access import parse_access
from .caller import CredentialsInvalid
from .keys import ALGORITHMS, KeySource

LEEWAY = 60.0
"""In seconds: by so much may clocks differ. distribution's."""

TOKEN_LIMIT = 32 * 2**10
"""In bytes: ASP.NET Core, which stands before Functions, takes so much of all headers together."""

_REMEMBERED_SECONDS = 300.0  # so long is a key still trusted that its issuer has taken back

_JWS = jwt.PyJWS()


@dataclass(frozen=True)
class VerifiedToken:
    """What a token says that is signed by whom it should be.

    ``expires`` and ``begins`` are seconds since 1970, without any leeway.
    """

    subject: str
    scopes: tuple[Scope, ...]
    claims: Mapping[str, Any] = field(repr=False)
    expires: float
    begins: float = -math.inf

    def check_times(self, now: float, at: float | None = None) -> None:
        """It must have begun by ``now``, and not have ended at ``at``, if not ``now``.

        :raises CredentialsInvalid:
        """
        if self.begins - LEEWAY > now:
            raise CredentialsInvalid("the token is not valid yet")
        if self.expires + LEEWAY < (now if at is None else at):
            raise CredentialsInvalid("the token has expired")


async def signed_claims(
    token: str, keys: KeySource, algorithms: Collection[str] = ALGORITHMS
) -> dict[str, Any]:
    """What a token claims, once its signature is verified; its meaning is for the caller to judge.

    Of ``algorithms`` only the asymmetric ones are taken, and those that fit the key.

    :raises CredentialsInvalid: it is no token, or not signed by a trusted key.
    :raises Unavailable: the keys cannot be had now.
    """
    if len(token) > TOKEN_LIMIT:
        raise CredentialsInvalid(f"the token is longer than {TOKEN_LIMIT} bytes")
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS.intersection(algorithms):
            raise CredentialsInvalid("the token is signed with an algorithm that is not taken")
        key = await keys.find(header)
        if algorithm not in key.algorithms:
            raise CredentialsInvalid("the token's algorithm does not fit its key")
        claims = json.loads(_JWS.decode(token, key.public, algorithms=[algorithm]))
    except (jwt.PyJWTError, TypeError, ValueError, RecursionError) as error:
        raise CredentialsInvalid(f"no valid token: {type(error).__name__}") from error
    if not isinstance(claims, dict):
        raise CredentialsInvalid("no valid token: its claims are no object")
    return claims


def check_audience(claims: Mapping[str, Any], accepted: Collection[str]) -> None:
    """``aud`` is, or lists, one of ``accepted``. :raises CredentialsInvalid:"""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(name, str) and name in accepted for name in named):
        raise CredentialsInvalid("the token is for another audience")


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """A time in a token, RFC 7519's NumericDate; None if it has none.

    :raises CredentialsInvalid: it is no number.
    """
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise CredentialsInvalid(f"the token's {name} is no time")
    return float(value)


def judged(claims: Mapping[str, Any]) -> VerifiedToken:
    """Claims that are signed, as values.

    :raises CredentialsInvalid: one has no meaning, or there is no ``exp``.
    """
    expires = moment(claims, "exp")
    if expires is None:
        raise CredentialsInvalid("the token says not when it expires")
    begins = moment(claims, "nbf")
    subject = claims.get("sub", "")
    if not isinstance(subject, str):
        raise CredentialsInvalid("the token's sub is no text")
    scopes = parse_access(claims.get("access"))
    return VerifiedToken(
        subject, scopes, claims, expires, begins=-math.inf if begins is None else begins
    )


@dataclass
class TokenVerifier:
    """Verifies tokens that ``issuer`` has made for ``service``.

    Which signatures hold is remembered: of a token that comes again only the times are looked at.
    ``remembered_bytes`` bounds the length of all tokens together that are.
    """

    keys: KeySource
    issuer: str
    service: str
    algorithms: Collection[str] = ALGORITHMS
    now: Callable[[], float] = time.time
    remembered_bytes: int = 8 * 2**20
    _remembered: OrderedDict[bytes, tuple[float, int, VerifiedToken]] = field(
        default_factory=OrderedDict, repr=False
    )
    _bytes: int = 0

    async def verify(self, token: str, at: float | None = None) -> VerifiedToken:
        """What the token says. It must not have ended at ``at``, or now.

        :raises CredentialsInvalid: it proves nothing.
        :raises Unavailable: the issuer's keys cannot be had now.
        """
        name = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        verified = self._recall(name)
        if verified is None:
            verified = await self._verify(token)
            verified.check_times(self.now(), at)
            self._remember(name, len(token), verified)
        else:
            verified.check_times(self.now(), at)
        return verified

    async def _verify(self, token: str) -> VerifiedToken:
        claims = await signed_claims(token, self.keys, self.algorithms)
        if claims.get("iss") != self.issuer:
            raise CredentialsInvalid("the token is of another issuer")
        check_audience(claims, (self.service,))
        return judged(claims)

    def _recall(self, name: bytes) -> VerifiedToken | None:
        until, _, verified = self._remembered.get(name, (0.0, 0, None))
        return verified if self.now() < until else None

    def _remember(self, name: bytes, size: int, verified: VerifiedToken) -> None:
        self._forget(name)
        self._remembered[name] = (self.now() + _REMEMBERED_SECONDS, size, verified)
        self._bytes += size
        while self._bytes > self.remembered_bytes:
            self._forget(next(iter(self._remembered)))

    def _forget(self, name: bytes) -> None:
        _, size, _ = self._remembered.pop(name, (0.0, 0, None))
        self._bytes -= size
