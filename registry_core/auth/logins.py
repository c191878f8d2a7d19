"""Somebody who logged in, by what, and whether that still stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .identity import Identity, IdentitySource
from .scopes import Scope


@dataclass(frozen=True)
class Login:
    """``credential`` is a fingerprint of what was shown, that tells nothing of it.

    Empty where nobody can be asked later whether it still stands. ``limits``: scopes that tokens
    may have at most, with globs for names; None where whoever logged in may do all they may do.
    """

    identity: Identity
    credential: str = ""
    limits: tuple[Scope, ...] | None = None


class LoginSource(Protocol):
    """One way to log in. ``source`` is the `Identity.source` of all whom it lets in."""

    @property
    def source(self) -> str:
        """Unique among all sources of a registry."""

    async def log_in(self, name: str, secret: str) -> Login | None:
        """Who shows the secret; None when it proves nothing here.

        :raises Unavailable: it cannot be told now.
        """

    async def renew(self, login: Login) -> Login | None:
        """An earlier login as it stands today; None when the credential was changed or revoked.

        :raises Unavailable: it cannot be told now.
        """


@dataclass(frozen=True)
class Once:
    """A `LoginSource` of proofs that cannot be asked for again: a login stands as it was."""

    source: str
    identities: IdentitySource

    async def log_in(self, name: str, secret: str) -> Login | None:
        identity = await self.identities.identify(name, secret)
        return Login(identity) if identity else None

    async def renew(self, login: Login) -> Login | None:
        return login
