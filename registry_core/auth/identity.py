"""Identities, and the protocol of the sources that check who somebody is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ..globs import RepositoryGlobs
from ..spec.scopes import ANY, REPOSITORY, Resource, Scope, parse_scopes

HTPASSWD = "htpasswd"
KEY = "key"
ENTRA = "entra"
FEDERATED = "federated"


@dataclass(frozen=True)
class Identity:
    """A user or a workload that has proved who it is.

    ``name`` is unique among all identities of one ``source``: `HTPASSWD`, `KEY`, `ENTRA`, or
    `FEDERATED` with a colon and the federation's name. ``groups`` and ``roles`` are what the source
    says about the identity, in the source's own words.
    """

    name: str
    source: str = ""
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    @property
    def subject(self) -> str:
        """The identity's name in tokens, logs and uploads, which no other identity shares.

        User names of password files have no colon.
        """
        if self.source in ("", HTPASSWD):
            return self.name
        return f"{self.source}:{self.name}"


def kind_of(subject: str) -> str:
    """Return the kind of identity that has the `Identity.subject`; empty for anonymous callers."""
    kind, colon, _ = subject.partition(":")
    return kind if colon or not subject else HTPASSWD


ANONYMOUS = Identity("")


@dataclass(frozen=True)
class Login:
    """An identity that was proved by a secret, and what that secret is good for.

    ``source`` is the name of the `IdentitySource` that checked it.
    ``credential`` is a fingerprint of the secret, which reveals nothing of it, or of the settings
    that the source accepted it by: what it needs to say later whether it still would.
    ``limits`` are scopes, with globs for repository names, that its tokens may grant at most; None
    means everything that the identity may do.
    ``refresh_seconds`` is the longest lifetime of a refresh token for it: with 0 none is issued,
    None leaves it to the setting.
    """

    identity: Identity
    source: str
    credential: str = ""
    limits: tuple[Scope, ...] | None = None
    refresh_seconds: int | None = None

    @property
    def shown(self) -> tuple[str, ...] | None:
        """Globs of the repositories that the catalog shows at most; None means any.

        A limit that allows anything in a repository includes seeing that there is such a one.
        """
        if self.limits is None:
            return None
        resources = (limit.resource for limit in self.limits)
        return tuple(each.name for each in resources if each.type == REPOSITORY)

    @property
    def key(self) -> str:
        """The name of the personal access key that proved it; empty for other secrets."""
        return self.credential.partition(":")[0] if self.source == KEY else ""

    def covers(self, resource: Resource, action: str) -> bool:
        """Whether the limits include the action, which the identity itself may or may not do."""
        return self.limits is None or any(_covers(limit, resource, action) for limit in self.limits)


class IdentitySource(Protocol):
    """One way to prove an identity by a name and a secret."""

    @property
    def name(self) -> str:
        """The source's name, unique within a registry. Refresh tokens carry it."""

    async def log_in(self, name: str, secret: str, *, client: str = "") -> Login | None:
        """Return the login that the secret proves; None if it proves nothing to this source.

        Does not block the event loop.

        :param client: the address of the client, empty if it is unknown.
        :raises TooManyRequests: too many secrets are being checked for this client.
        :raises Unavailable: the secret cannot be checked now.
        """

    async def renew(self, login: Login) -> Login | None:
        """Return an earlier login as it is today; None if its secret was changed or revoked.

        :raises Unavailable: this cannot be checked now.
        """


def parse_limits(texts: Iterable[str]) -> tuple[Scope, ...]:
    """Parse limits of a login: scopes with globs for names, as ``repository:team-a/**:pull``.

    :raises ValueError: one of them is not a scope, or can never match.
    """
    limits = parse_scopes(texts)
    for limit in limits:
        if limit.resource.type == REPOSITORY:
            RepositoryGlobs((limit.resource.name,))
        if not limit.actions:
            raise ValueError(f"{limit} names no action, such as pull")
    return limits


def _covers(limit: Scope, resource: Resource, action: str) -> bool:
    if limit.resource.type != resource.type or {action, ANY}.isdisjoint(limit.actions):
        return False
    if resource.type == REPOSITORY:
        return RepositoryGlobs((limit.resource.name,)).match(resource.name)
    return limit.resource.name == resource.name
