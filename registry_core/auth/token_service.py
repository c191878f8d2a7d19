"""Who asks for a token, and what it lets them do. Knows no HTTP.

Sources: distribution.github.io/distribution/spec/auth/token/ and .../oauth/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from ..spec.scopes import ANY, DELETE, PULL, PUSH, REPOSITORY, WHOLE_CATALOG, Resource, Scope
from .caller import CredentialsInvalid, Permissions
from .htpasswd import HTPASSWD
from .identity import ANONYMOUS, Identity
from .issuing import Issuer, identity_to_claim
from .limits import within
from .logins import Login, LoginSource
from .refresh import RefreshTokens

ANYBODY = Login(ANONYMOUS, "")
"""Who shows nothing: what the rules grant to everybody."""


class Rules(Protocol):
    """What identities may do."""

    def permissions(self, identity: Identity) -> Permissions:
        """All that ``identity`` may do."""


@dataclass(frozen=True)
class Grant:
    """``seconds``: how long ``token`` lives, from ``issued`` (seconds since 1970) on."""

    token: str = field(repr=False)
    seconds: int
    issued: int
    scopes: tuple[Scope, ...]
    refresh_token: str | None = field(repr=False)


@dataclass(frozen=True)
class TokenService:
    """``sources`` are asked in turn: those that cost least come first."""

    sources: Sequence[LoginSource]
    rules: Rules
    issuer: Issuer
    refresh_tokens: RefreshTokens

    async def log_in(self, name: str, secret: str) -> Login:
        """Who shows the secret.

        :raises CredentialsInvalid: nobody whom one of the sources knows.
        :raises Unavailable: it cannot be told now.
        """
        for source in self.sources:
            login = await source.log_in(name, secret)
            if login is not None:
                return login
        raise CredentialsInvalid("unknown user or wrong password")

    async def renew(self, refresh_token: str) -> Login:
        """Who was given the refresh token, as they stand today. They get no other one.

        :raises CredentialsInvalid: it is none, has expired, or what it was given for is no more.
        :raises Unavailable: it cannot be told now.
        """
        login = await self.refresh_tokens.read(refresh_token)
        source = self._by_name.get(login.source)
        renewed = await source.renew(login) if source else None
        if renewed is None:
            raise CredentialsInvalid("what the login was made with was changed or revoked")
        return replace(renewed, seconds=0)

    def grant(self, login: Login, asked: Iterable[Scope], *, offline: bool = False) -> Grant:
        """A token for what was asked and is allowed. ``offline``: with a refresh token.

        Asking for too much is no error: what is missing shows when the token is used.
        """
        issued = int(self.issuer.now())
        scopes = tuple(self._granted(login, asked))
        claims: Mapping[str, object] = {}
        if any(scope.resource == WHOLE_CATALOG.resource for scope in scopes):
            # What the catalog shows depends on who asks.
            claims = {"identity": identity_to_claim(login.identity)}
        refresh_token = None
        if offline and login.source:
            refresh_token = self.refresh_tokens.issue(login)
        return Grant(
            self.issuer.issue(subject(login.identity), scopes, claims),
            self.issuer.seconds,
            issued,
            scopes,
            refresh_token,
        )

    @cached_property
    def _by_name(self) -> dict[str, LoginSource]:
        return {source.source: source for source in self.sources}

    def _granted(self, login: Login, asked: Iterable[Scope]) -> Iterator[Scope]:
        permissions = self.rules.permissions(login.identity)
        for resource, actions in _merged(asked).items():
            allowed = tuple(
                action
                for action in actions
                if permissions.allows(resource, action) and within(login.limits, resource, action)
            )
            if allowed:
                yield Scope(resource, allowed)


def subject(identity: Identity) -> str:
    """What tokens, logs and uploads call somebody: no two of them alike.

    Names of htpasswd have no colon.
    """
    if identity.source in ("", HTPASSWD):
        return identity.name
    return f"{identity.source}:{identity.name}"


def _merged(asked: Iterable[Scope]) -> dict[Resource, list[str]]:
    """Each resource once, each action once. All actions of a repository by their names."""
    merged: dict[Resource, dict[str, None]] = {}
    for scope in asked:
        if scope.resource.type == REPOSITORY and not scope.is_of_repository:
            continue
        actions: tuple[str, ...] = scope.actions
        if scope.is_of_repository and ANY in actions:
            actions = (*actions, PULL, PUSH, DELETE)
        merged.setdefault(scope.resource, {}).update(dict.fromkeys(actions))
    return {
        resource: [a for a in actions if a != ANY or resource.type != REPOSITORY]
        for resource, actions in merged.items()
    }
