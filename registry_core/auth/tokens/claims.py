"""What the claims of a verified token mean, and how the registry writes its own.

Sources: RFC 7519 (JWT), section 4.1; Docker's "Token Authentication Implementation", "Claim Set".
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...globs import RepositoryGlobs
from ...spec.scopes import Resource, Scope
from ..caller import CredentialsInvalid
from ..identity import Identity, Login

LEEWAY = 60.0
"""The difference between clocks that is tolerated, in seconds; the same as distribution's."""


@dataclass(frozen=True)
class VerifiedToken:
    """The claims of a token whose signature is valid.

    ``expires`` and ``begins`` are seconds since 1970, without leeway.
    """

    subject: str
    scopes: tuple[Scope, ...]
    claims: Mapping[str, Any] = field(repr=False)
    expires: float
    begins: float = -math.inf

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> VerifiedToken:
        """Parse claims.

        :raises CredentialsInvalid: one of them is malformed, or there is no ``exp``.
        """
        expires = parse_time(claims, "exp")
        if expires is None:
            raise CredentialsInvalid("the token has no expiry (exp)")
        begins = parse_time(claims, "nbf")
        subject = claims.get("sub", "")
        if not isinstance(subject, str):
            raise CredentialsInvalid("the token's subject (sub) is not a string")
        scopes = parse_access(claims.get("access"))
        return cls(subject, scopes, claims, expires, begins=-math.inf if begins is None else begins)

    @property
    def id(self) -> str:
        """The token's id (``jti``); empty if it has none."""
        return self.text("jti")

    def text(self, claim: str) -> str:
        """Return a claim that is a string; empty if it is missing or something else."""
        value = self.claims.get(claim)
        return value if isinstance(value, str) else ""

    def check_times(self, now: float, at: float | None = None) -> None:
        """Check that the token has begun by ``now``, and not expired by ``at``, or else ``now``.

        :raises CredentialsInvalid: it has not begun, or has expired.
        """
        if self.begins - LEEWAY > now:
            raise CredentialsInvalid("the token is not valid yet")
        if self.expires + LEEWAY < (now if at is None else at):
            raise CredentialsInvalid("the token has expired", is_public=True)


def parse_time(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a time in a token, in seconds since 1970 (NumericDate); None if it is missing.

    :raises CredentialsInvalid: it is not a finite number.
    """
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise CredentialsInvalid(f"the token's {name} is not a time")
    return float(value)


def check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    """Check that ``iss`` is the issuer, letter by letter.

    :raises CredentialsInvalid: it is another one.
    """
    if claims.get("iss") != issuer:
        raise CredentialsInvalid("the token is from another issuer")


def check_audience(claims: Mapping[str, Any], accepted: Collection[str]) -> None:
    """Check that ``aud`` is, or lists, one of the accepted audiences.

    :raises CredentialsInvalid: it is for others.
    """
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(name, str) and name in accepted for name in named):
        raise CredentialsInvalid("the token is for another audience")


def parse_access(claim: object) -> tuple[Scope, ...]:
    """Return the scopes that the claim ``access`` grants; none if it is missing.

    :raises CredentialsInvalid: the claim is malformed.
    """
    if claim is None:
        return ()
    if not isinstance(claim, list):
        raise CredentialsInvalid("the token's access claim is not a list")
    return tuple(map(_parse_entry, claim))


def _parse_entry(entry: object) -> Scope:
    if not isinstance(entry, dict):
        raise CredentialsInvalid("an entry of the token's access claim is not an object")
    kind, name = entry.get("type"), entry.get("name")
    resource_class, actions = entry.get("class") or "", entry.get("actions") or []
    texts = (kind, name, resource_class)
    if not (isinstance(actions, list) and all(isinstance(x, str) for x in (*texts, *actions))):
        raise CredentialsInvalid("an entry of the token's access claim is malformed")
    return Scope(Resource(str(kind), str(name), resource_class), tuple(actions))


def access_claim(scopes: tuple[Scope, ...]) -> list[dict[str, object]]:
    """Return the claim from which `parse_access` reads the scopes."""
    return [_access_entry(scope.resource, scope.actions) for scope in scopes]


def _access_entry(resource: Resource, actions: tuple[str, ...]) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": resource.type,
        "name": resource.name,
        "actions": list(actions),
    }
    return entry | ({"class": resource.resource_class} if resource.resource_class else {})


def identity_claim(identity: Identity) -> dict[str, object]:
    """Return the claim ``identity``, which the registry's own tokens carry."""
    return {
        "name": identity.name,
        "source": identity.source,
        "groups": sorted(identity.groups),
        "roles": sorted(identity.roles),
    }


def holder_claim(login: Login) -> dict[str, object]:
    """Return the claim ``identity`` of a token for the catalog: with the limits of the login."""
    claim = identity_claim(login.identity)
    return claim if login.shown is None else claim | {"repositories": list(login.shown)}


def shown_from_claim(claim: Mapping[str, Any]) -> RepositoryGlobs | None:
    """Return the limits in a claim made by `holder_claim`, in a verified token; None without."""
    globs = claim.get("repositories")
    return None if globs is None else RepositoryGlobs(tuple(globs))


def identity_from_claim(claim: Mapping[str, Any]) -> Identity:
    """Return the identity of a claim made by `identity_claim`, in a verified token."""
    return Identity(
        claim["name"], claim["source"], frozenset(claim["groups"]), frozenset(claim["roles"])
    )
