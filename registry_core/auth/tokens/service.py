"""The token service: who requests a token, and what it grants. Knows no HTTP.

Sources: distribution.github.io/distribution/spec/auth/token/ and .../oauth/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from http import HTTPStatus

from ...spec.errors import Unsupported
from ...spec.scopes import ANY, DELETE, PULL, PUSH, REPOSITORY, WHOLE_CATALOG, Resource, Scope
from ..caller import CredentialsInvalid
from ..identity import ANONYMOUS, IdentitySource, Login
from ..rules import Rules
from .claims import holder_claim
from .issuing import Issuer, RefreshTokens, token_id
from .logins import login_claims

ANONYMOUS_LOGIN = Login(ANONYMOUS, "")
"""The login of requests without credentials, which get what the rules allow everybody."""

MAX_TOKEN_BYTES = 16 * 2**10
"""The size of the largest access token: hosts accept 32 KiB of headers in all."""

TOKEN_USER = "00000000-0000-0000-0000-000000000000"  # noqa: S105 - a user name, not a secret
"""The user name, as in ACR, that announces a token as the password: a refresh token of the
registry, or an access token of Entra ID."""


@dataclass(frozen=True)
class Grant:
    """A token and what it grants. It lives ``seconds`` from ``issued`` on (seconds since 1970).

    ``id`` names it in logs: its ``jti``.
    """

    id: str
    token: str = field(repr=False)
    seconds: int
    issued: int
    scopes: tuple[Scope, ...]
    refresh_token: str | None = field(repr=False)


@dataclass(frozen=True)
class TokenService:
    """Issues tokens to identities. The sources are tried in order: the cheapest come first."""

    sources: Sequence[IdentitySource]
    rules: Rules
    issuer: Issuer
    refresh_tokens: RefreshTokens

    async def log_in(self, name: str, secret: str, *, client: str = "") -> Login:
        """Return the login that a name and a secret prove. The secret may be a refresh token.

        :param client: the address of the client, empty if it is unknown.
        :raises CredentialsInvalid: they prove nothing to any source.
        :raises TooManyRequests: too many secrets are being checked for this client.
        :raises Unavailable: they cannot be checked now.
        """
        if name == TOKEN_USER:
            with suppress(CredentialsInvalid):
                return await self.renew(secret)
        for source in self.sources:
            login = await source.log_in(name, secret, client=client)
            if login is not None:
                return login
        raise CredentialsInvalid("unknown user or wrong password", is_public=True)

    async def renew(self, refresh_token: str) -> Login:
        """Return the login that a refresh token was issued for, as it is today.

        It gets no further refresh token, which would make it valid for ever.

        :raises CredentialsInvalid: the token is invalid or has expired, or its login is.
        :raises Unavailable: the login cannot be checked now.
        """
        login = await self.refresh_tokens.read(refresh_token)
        source = self._by_name.get(login.source)
        renewed = await source.renew(login) if source else None
        if renewed is None:
            raise CredentialsInvalid(
                "the secret of the login was changed or revoked", is_public=True
            )
        return replace(renewed, refresh_seconds=0)

    def grant(self, login: Login, requested: Iterable[Scope], *, offline: bool = False) -> Grant:
        """Issue a token for what is requested and allowed, with a refresh token if ``offline``.

        Requesting too much is not an error: what is missing shows when the token is used.

        :raises Unsupported: the token would be larger than `MAX_TOKEN_BYTES` (400).
        """
        issued = int(self.issuer.now())
        scopes = tuple(self._granted(login, requested))
        claims: dict[str, object] = {"jti": token_id()}
        if login.key:
            claims["key"] = login.key
        if any(scope.resource == WHOLE_CATALOG.resource for scope in scopes):
            # What the catalog shows depends on the identity, and on the limits of its key.
            claims["identity"] = holder_claim(login)
        claims.update(login_claims(login, scopes))
        refresh_token = None
        if offline and login.source:
            refresh_token = self.refresh_tokens.issue(login)
        token = self.issuer.issue(login.identity.subject, scopes, claims)
        if len(token) > MAX_TOKEN_BYTES:
            raise Unsupported(
                f"the token would have more than {MAX_TOKEN_BYTES} bytes: request fewer scopes, "
                "or use a key with fewer limits",
                status=HTTPStatus.BAD_REQUEST,
            )
        seconds = self.issuer.seconds
        return Grant(str(claims["jti"]), token, seconds, issued, scopes, refresh_token)

    @cached_property
    def _by_name(self) -> dict[str, IdentitySource]:
        return {source.name: source for source in self.sources}

    def _granted(self, login: Login, requested: Iterable[Scope]) -> Iterator[Scope]:
        permissions = self.rules.permissions(login.identity)
        for resource, actions in _merged(requested).items():
            allowed = tuple(
                action
                for action in actions
                if permissions.allows(resource, action) and login.covers(resource, action)
            )
            if allowed:
                yield Scope(resource, allowed)


def _merged(requested: Iterable[Scope]) -> dict[Resource, list[str]]:
    """Return each resource once, with each action once. ``*`` becomes a repository's actions."""
    merged: dict[Resource, dict[str, None]] = {}
    for scope in requested:
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
