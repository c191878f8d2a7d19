"""Workloads that prove who they are by a token of their own platform: OIDC federation.

A job of GitHub Actions, a pod of Kubernetes: each can have a token that its platform signed, made
out to the registry's audience, and shows it as a password. Nobody keeps a secret.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .caller import CredentialsInvalid
from .claim_globs import ClaimGlobs, all_fit
from .identity import Identity
from .keys import KeySource
from .oidc import IssuedTokens, discovered_keys, issuer_of
from .rules import Federation
from .verification import check_audience

_log = logging.getLogger(__name__)


class _Trust:
    """One federation, its globs compiled."""

    def __init__(self, federation: Federation) -> None:
        self.name = federation.name
        self.issuer = federation.issuer
        self._audience = federation.audience
        self._subjects = ClaimGlobs(federation.subjects)
        self._claims = {name: ClaimGlobs([glob]) for name, glob in federation.claims.items()}

    def why_not(self, claims: Mapping[str, Any]) -> str:
        """What of a token does not fit; empty when all does."""
        try:
            check_audience(claims, (self._audience,))
        except CredentialsInvalid as error:
            return str(error)
        if not self._subjects.fit(claims["sub"]):
            return f"its subject {claims['sub']!r} does not fit"
        return "" if all_fit(self._claims, claims) else "its claims do not fit"


class Federated:
    """`IdentitySource` of all federations, in their order: the first that a token fits is its own.

    An identity's name is the token's subject, and its source ``federated:`` and the federation's
    name. A user name that is a federation's name leaves only that one to be tried; any other user
    name says nothing.
    """

    def __init__(
        self,
        federations: Iterable[Federation],
        keys: Callable[[str], KeySource] = discovered_keys,
    ) -> None:
        self._trusts = tuple(map(_Trust, federations))
        issuers = {trust.issuer for trust in self._trusts}
        self._tokens = {issuer: IssuedTokens(issuer, keys(issuer)) for issuer in issuers}

    async def identify(self, name: str, secret: str) -> Identity | None:
        """Who the token ``secret`` is about."""
        issuer = issuer_of(secret)
        trusts = [trust for trust in self._asked(name) if trust.issuer == issuer]
        if issuer is None or not trusts:
            return None
        try:
            claims = await self._tokens[issuer].claims(secret)
        except CredentialsInvalid as error:
            _log.info("a token of %s: %s", issuer, error)
            return None
        misfits: dict[str, str] = {}
        for trust in trusts:
            misfits[trust.name] = trust.why_not(claims)
            if not misfits[trust.name]:
                return Identity(claims["sub"], f"federated:{trust.name}")
        _log.info("a token of %s: %s", issuer, misfits)
        return None

    def _asked(self, name: str) -> tuple[_Trust, ...]:
        named = tuple(trust for trust in self._trusts if trust.name == name)
        return named or self._trusts
