"""Users, service principals and managed identities of Microsoft Entra ID.

Their password is an access token for the registry's app registration, as after `az acr login`.
Sources: learn.microsoft.com/entra/identity-platform/access-token-claims-reference
and .../access-tokens, "Validate tokens"; the issuers of national clouds, as the discovery documents
of their authorities name them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ..caller import CredentialsInvalid
from ..identity import ENTRA, Identity, Login
from ..tokens.claims import check_audience
from .oidc import IssuedTokens, discovered_keys, issuer_of

_log = logging.getLogger(__name__)

PUBLIC_AUTHORITY = "https://login.microsoftonline.com"

REFRESH_SECONDS = 3 * 3600
"""The lifetime of a refresh token for such a login, the same as ACR's."""

# The issuer of v1.0 tokens has another name than the authority.
_V1_ISSUERS = {
    PUBLIC_AUTHORITY: "https://sts.windows.net",
    "https://login.microsoftonline.us": "https://sts.windows.net",
    "https://login.partner.microsoftonline.cn": "https://sts.chinacloudapi.cn",
}


class Entra:
    """`IdentitySource` of one tenant. An identity's name is its object id, which never changes.

    ``client_ids`` are the ids of the app registration; a token's audience is one of them (v2.0), or
    ``api://`` followed by it (v1.0). An application ID URI of another form is given in full.
    """

    name = ENTRA

    def __init__(
        self, tenant_id: str, client_ids: Iterable[str], authority: str = PUBLIC_AUTHORITY
    ) -> None:
        self._tenant = tenant_id.lower()
        self._audiences = _audiences(client_ids)
        authority = authority.rstrip("/")
        base = f"{authority}/{self._tenant}"
        v1 = f"{_V1_ISSUERS.get(authority, authority)}/{self._tenant}/"
        v2 = f"{base}/v2.0"
        self._tokens = {
            issuer: IssuedTokens(issuer, discovered_keys(issuer, at), ("RS256",))
            for issuer, at in ((v1, base), (v2, v2))
        }

    async def log_in(self, name: str, secret: str, *, client: str = "") -> Login | None:
        """Return the login that an access token proves, whatever the user name is."""
        tokens = self._tokens.get(issuer_of(secret) or "")
        if tokens is None:
            return None
        try:
            claims = await tokens.claims(secret)
            check_audience(claims, self._audiences)
            identity = _identity(claims, self._tenant)
        except CredentialsInvalid as error:
            _log.info("Entra ID: %s", error)
            return None
        accepted = next(filter(self._accepts, _audiences_of(claims)))
        credential = f"{self._tenant} {accepted}"
        return Login(identity, ENTRA, credential, refresh_seconds=REFRESH_SECONDS)

    async def renew(self, login: Login) -> Login | None:
        """Return the login if its tenant and the audience of its token are still accepted.

        The token itself cannot be checked any more.
        """
        tenant, _, audience = login.credential.partition(" ")
        return login if tenant == self._tenant and self._accepts(audience) else None

    def _accepts(self, audience: object) -> bool:
        return isinstance(audience, str) and audience in self._audiences


def _audiences(client_ids: Iterable[str]) -> frozenset[str]:
    given = frozenset(client_ids)
    return given | {f"api://{one}" for one in given if "://" not in one}


def _audiences_of(claims: Mapping[str, Any]) -> list[Any]:
    audience = claims["aud"]
    return audience if isinstance(audience, list) else [audience]


def _identity(claims: Mapping[str, Any], tenant: str) -> Identity:
    """:raises CredentialsInvalid: the token is of another kind, or from another tenant."""
    if claims.get("tid") != tenant:
        raise CredentialsInvalid(f"the token is from tenant {claims.get('tid')!r}, not {tenant!r}")
    if not (claims.get("azp") or claims.get("appid")):
        # Every access token names the client that requested it; an ID token is for the client.
        raise CredentialsInvalid("the token is an ID token, not an access token")
    oid = claims.get("oid")
    if not isinstance(oid, str) or not oid:
        raise CredentialsInvalid("the token has no oid, the identity's object id")
    _log.info("Entra ID: %s is %r", oid, _display_name(claims))
    if _has_too_many_groups(claims):
        _log.warning(
            "Entra ID: %s is in more groups than a token can list, so no rule for a group applies"
            " to it; let the app registration list only groups assigned to the application, or use"
            " app roles",
            oid,
        )
    return Identity(oid, ENTRA, groups=_texts(claims, "groups"), roles=_texts(claims, "roles"))


def _display_name(claims: Mapping[str, Any]) -> str:
    """Return the name that people know: a user's sign-in name, or an app's client id."""
    names = ("preferred_username", "upn", "unique_name", "appid", "azp")
    return next((str(claims[name]) for name in names if claims.get(name)), "")


def _has_too_many_groups(claims: Mapping[str, Any]) -> bool:
    elsewhere = claims.get("_claim_names")
    listed_elsewhere = isinstance(elsewhere, dict) and "groups" in elsewhere
    return listed_elsewhere or claims.get("hasgroups") in (True, "true")


def _texts(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    found = claims.get(name)
    return (
        frozenset(one for one in found if isinstance(one, str))
        if isinstance(found, list)
        else frozenset()
    )
