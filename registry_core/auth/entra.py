"""Users, service principals and managed identities of Microsoft Entra ID.

They show an access token for the registry's app registration as their password, as after
`az acr login`. Sources: learn.microsoft.com/entra/identity-platform/access-token-claims-reference
and .../access-tokens, "Validate tokens"; the issuers of national clouds, as the discovery documents
of their authorities name them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from .caller import CredentialsInvalid
from .identity import Identity
from .oidc import IssuedTokens, discovered_keys, issuer_of
from .verification import check_audience

_log = logging.getLogger(__name__)

ENTRA = "entra"
"""The `Identity.source` of all whom it knows."""

PUBLIC_AUTHORITY = "https://login.microsoftonline.com"

# Who signs v1.0 tokens goes by another name than the authority.
_V1_ISSUERS = {
    PUBLIC_AUTHORITY: "https://sts.windows.net",
    "https://login.microsoftonline.us": "https://sts.windows.net",
    "https://login.partner.microsoftonline.cn": "https://sts.chinacloudapi.cn",
}


class Entra:
    """`IdentitySource` of one tenant: an identity's name is its object id, which never changes.

    ``client_ids`` are the app registration's ids; a token's audience is one of them (v2.0), or
    ``api://`` and it (v1.0). An application ID URI of another form is given as it is.
    """

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

    async def identify(self, name: str, secret: str) -> Identity | None:
        """Who the access token ``secret`` is about, whatever ``name`` they go by."""
        tokens = self._tokens.get(issuer_of(secret) or "")
        if tokens is None:
            return None
        try:
            claims = await tokens.claims(secret)
            check_audience(claims, self._audiences)
            return _identity(claims, self._tenant)
        except CredentialsInvalid as error:
            _log.info("Entra ID: %s", error)
            return None


def _audiences(client_ids: Iterable[str]) -> frozenset[str]:
    given = frozenset(client_ids)
    return given | {f"api://{one}" for one in given if "://" not in one}


def _identity(claims: Mapping[str, Any], tenant: str) -> Identity:
    """:raises CredentialsInvalid: a token that is good for something else, or of another tenant."""
    if claims.get("tid") != tenant:
        raise CredentialsInvalid(f"a token of tenant {claims.get('tid')!r}, not {tenant!r}")
    if not (claims.get("azp") or claims.get("appid")):
        # Which client asked stands in every access token; an ID token was meant for the client.
        raise CredentialsInvalid("an ID token: what is needed is an access token")
    oid = claims.get("oid")
    if not isinstance(oid, str) or not oid:
        raise CredentialsInvalid("a token without oid, the identity's object id")
    _log.info("Entra ID: %s is %r", oid, _display_name(claims))
    if _has_too_many_groups(claims):
        _log.warning(
            "Entra ID: %s is in more groups than a token lists, so that no rule for a group applies"
            " to them; have the app registration list only groups assigned to the application, or"
            " use app roles",
            oid,
        )
    return Identity(oid, ENTRA, groups=_texts(claims, "groups"), roles=_texts(claims, "roles"))


def _display_name(claims: Mapping[str, Any]) -> str:
    """What people call it: a user's sign-in name, or the id of an app that acts by itself."""
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
