"""Somebody who logged in, by what, and whether that still stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..spec.scopes import Scope
from .htpasswd import HTPASSWD
from .identity import Identity, IdentitySource


@dataclass(frozen=True)
class Login:
    """``source``: the `LoginSource` that let them in.

    ``credential`` is a fingerprint of what was shown, that tells nothing of it; empty where nobody
    can be asked later whether it still stands. ``limits``: scopes that tokens may have at most,
    with globs for names; None where they may have all that the identity may do. ``seconds``: how
    long a refresh token may last at most.
    """

    identity: Identity
    source: str
    credential: str = ""
    limits: tuple[Scope, ...] | None = None
    seconds: int | None = None


class LoginSource(Protocol):
    """One way to log in."""

    @property
    def source(self) -> str:
        """What it is called, unique among all sources of a registry."""

    async def log_in(self, name: str, secret: str) -> Login | None:
        """Who shows the secret; None when it proves nothing here.

        :raises Unavailable: it cannot be told now.
        """

    async def renew(self, login: Login) -> Login | None:
        """An earlier login as it stands today; None when the credential was changed or revoked.

        :raises Unavailable: it cannot be told now.
        """


@dataclass(frozen=True)
class Passing:
    """A `LoginSource` of proofs that nobody can be asked about later, such as others' tokens.

    ``seconds``: how long a refresh token may stand in for one; 0 gives none.
    """

    source: str
    identities: IdentitySource
    seconds: int = 0

    async def log_in(self, name: str, secret: str) -> Login | None:
        identity = await self.identities.identify(name, secret)
        return Login(identity, self.source, seconds=self.seconds) if identity else None

    async def renew(self, login: Login) -> Login | None:
        return login


class Passwords(IdentitySource, Protocol):
    """An `IdentitySource` that knows whose password is still the same."""

    async def fingerprint(self, name: str) -> str | None:
        """Of what is kept of the user's password, telling nothing of it; None without the user."""


@dataclass(frozen=True)
class PasswordLogins:
    """The `LoginSource` of a password file's users."""

    passwords: Passwords
    source: str = HTPASSWD

    async def log_in(self, name: str, secret: str) -> Login | None:
        identity = await self.passwords.identify(name, secret)
        credential = await self.passwords.fingerprint(name) if identity else None
        return Login(identity, self.source, credential) if identity and credential else None

    async def renew(self, login: Login) -> Login | None:
        now = await self.passwords.fingerprint(login.identity.name)
        return login if now is not None and now == login.credential else None
