"""The login behind an access token, looked at again where the token has expired.

An upload may be finished with the token that it began with, after that token's expiry: then what
the token says is old, and whoever it was issued to may have lost the right to push since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...spec.scopes import PUSH, Scope
from ..caller import CredentialsInvalid
from ..identity import IdentitySource, Login
from ..rules import Rules
from .claims import VerifiedToken, identity_claim, identity_from_claim

_CLAIM = "login"


def login_claims(login: Login, scopes: Iterable[Scope]) -> Mapping[str, object]:
    """Return the claims of an access token for `LoginCheck`; none where nothing can be checked.

    Only pushes outlive their token, and only some sources can say whether a secret is still valid.
    """
    if not login.credential or not any(PUSH in scope.actions for scope in scopes):
        return {}
    claim = {
        "identity": identity_claim(login.identity),
        "source": login.source,
        "credential": login.credential,
    }
    return {_CLAIM: claim}


def _login_from_claim(claim: Mapping[str, Any]) -> Login:
    """Return the login of a claim made by `login_claims`, in a verified token."""
    return Login(identity_from_claim(claim["identity"]), claim["source"], claim["credential"])


@dataclass(frozen=True)
class LoginCheck:
    """Checks the logins of tokens that have expired, as a refresh would."""

    sources: Mapping[str, IdentitySource]
    rules: Rules

    @classmethod
    def of(cls, sources: Iterable[IdentitySource], rules: Rules) -> LoginCheck:
        """Check with these sources and rules."""
        return cls({source.name: source for source in sources}, rules)

    async def check(self, token: VerifiedToken) -> VerifiedToken:
        """Return the token with those of its scopes that its holder has today.

        A token of a login that cannot be checked later, such as Entra ID's, is returned as it is.

        :raises CredentialsInvalid: the secret of the login was changed or revoked.
        :raises Unavailable: this cannot be checked now.
        """
        claim = token.claims.get(_CLAIM)
        if claim is None:
            return token
        login = _login_from_claim(claim)
        source = self.sources.get(login.source)
        if source is None or await source.renew(login) is None:
            raise CredentialsInvalid("the secret of the token's login was changed or revoked")
        permissions = self.rules.permissions(login.identity)
        scopes = (
            replace(
                scope,
                actions=tuple(a for a in scope.actions if permissions.allows(scope.resource, a)),
            )
            for scope in token.scopes
        )
        return replace(token, scopes=tuple(scope for scope in scopes if scope.actions))
