"""A federation with an issuer of the tests, as the access rules would name it."""

from collections.abc import Mapping

from registry_core.auth.identity import Identity
from registry_core.auth.rules import Federation
from registry_core.auth.sources.federation import Federated
from tests.support.identities import identity_of
from tests.support.oidc_issuer import OidcIssuer

MAIN = "repo:org/app:ref:refs/heads/main"
"""The subject of a job on a branch that `github` trusts."""


def github(
    issuer: OidcIssuer,
    name: str = "github",
    subjects: tuple[str, ...] = ("repo:org/*:ref:refs/heads/main",),
    audience: str = "registry",
    claims: Mapping[str, str] | None = None,
) -> Federation:
    return Federation(name, issuer.url, audience, subjects, claims or {})


async def identify(issuer: OidcIssuer, token: str, name: str = "oidc") -> Identity | None:
    """Return the identity that the token proves to a registry that has not seen it before."""
    return await identity_of(Federated([github(issuer)]), name, token)
