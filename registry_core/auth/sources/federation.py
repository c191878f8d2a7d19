"""OIDC federation: workloads that log in with a token of their own platform.

A job of GitHub Actions or a pod in Kubernetes can get a token that its platform signs for the
registry's audience. It is the password, so that no secret has to be stored.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..caller import CredentialsInvalid
from ..identity import FEDERATED, Identity, Login
from ..rules import Federation
from ..tokens.claims import check_audience
from ..tokens.keys import KeySource
from .oidc import IssuedTokens, discovered_keys, issuer_of

_log = logging.getLogger(__name__)

REFRESH_SECONDS = 3600
"""The lifetime of a refresh token for such a login: a job's own token lasts a few minutes, what it
builds may take longer."""


class Federated:
    """`IdentitySource` of all federations. A token belongs to the first one that it matches.

    An identity's name is the token's subject; its source is ``federated:`` and the federation's
    name. A user name that is the name of a federation selects that one; other user names select
    nothing.
    """

    name = FEDERATED

    def __init__(
        self,
        federations: Iterable[Federation],
        keys: Callable[[str], KeySource] = discovered_keys,
    ) -> None:
        """Accept the tokens of the federations, verified with the keys of their issuers."""
        self._federations = tuple(federations)
        issuers = {federation.issuer for federation in self._federations}
        self._tokens = {issuer: IssuedTokens(issuer, keys(issuer)) for issuer in issuers}

    async def log_in(self, name: str, secret: str, *, client: str = "") -> Login | None:
        """Return the login that a token proves."""
        issuer = issuer_of(secret)
        federations = [each for each in self._selected(name) if each.issuer == issuer]
        if issuer is None or not federations:
            return None
        try:
            claims = await self._tokens[issuer].claims(secret)
        except CredentialsInvalid as error:
            _log.info("a token from %s: %s", issuer, error)
            return None
        mismatches: dict[str, str] = {}
        for federation in federations:
            mismatches[federation.name] = _mismatch(federation, claims)
            if not mismatches[federation.name]:
                identity = Identity(claims["sub"], f"{FEDERATED}:{federation.name}")
                credential = _fingerprint(federation)
                return Login(identity, FEDERATED, credential, refresh_seconds=REFRESH_SECONDS)
        _log.info("a token from %s matches no federation: %s", issuer, mismatches)
        return None

    async def renew(self, login: Login) -> Login | None:
        """Return the login if its federation is still there, and still accepts its subject.

        The token itself cannot be checked any more.
        """
        for federation in self._federations:
            if login.credential == _fingerprint(federation):
                return login if federation.accepts_subject(login.identity.name) else None
        return None

    def _selected(self, name: str) -> tuple[Federation, ...]:
        named = tuple(federation for federation in self._federations if federation.name == name)
        return named or self._federations


def _fingerprint(federation: Federation) -> str:
    """Return what changes if other tokens are accepted, except for their subject."""
    accepted = (federation.name, federation.issuer, federation.audience)
    claims = sorted(federation.claims.items())
    return hashlib.sha256(json.dumps([accepted, claims]).encode()).hexdigest()


def _mismatch(federation: Federation, claims: Mapping[str, Any]) -> str:
    try:
        check_audience(claims, (federation.audience,))
    except CredentialsInvalid as error:
        return str(error)
    return federation.mismatch(claims["sub"], claims)
