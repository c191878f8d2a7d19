"""Who asks, and what they may do: what every mode of authentication comes to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..spec.errors import RegistryError
from ..spec.scopes import ANY, Resource, Scope


class Permissions(Protocol):
    """What somebody may do."""

    def allows(self, resource: Resource, action: str) -> bool:
        """Whether ``action`` may be done with ``resource``."""

    def reads_everything(self) -> bool:
        """Whether every repository may be pulled, whatever its name."""

    def sees(self, repository: str) -> bool:
        """Whether the catalog, where it may be listed, shows the repository."""


class Everything:
    """All is allowed."""

    def allows(self, resource: Resource, action: str) -> bool:
        return True

    def reads_everything(self) -> bool:
        return True

    def sees(self, repository: str) -> bool:
        return True


@dataclass(frozen=True)
class Granted:
    """What a token's ``access`` claim lists, and nothing else.

    The class of a repository says what may be pushed there (`classes`), not whether.
    """

    scopes: tuple[Scope, ...] = ()

    def allows(self, resource: Resource, action: str) -> bool:
        return any(
            (scope.resource.type, scope.resource.name) == (resource.type, resource.name)
            and not {action, ANY}.isdisjoint(scope.actions)
            for scope in self.scopes
        )

    def reads_everything(self) -> bool:
        return False

    def sees(self, repository: str) -> bool:
        return True


NOTHING = Granted()


@dataclass(frozen=True)
class Caller:
    """``name`` is what the log and an upload's state call them; empty for nobody in particular.

    ``is_known``: they have shown credentials that hold, if only those of nobody in particular.
    """

    name: str = ""
    permissions: Permissions = field(default=NOTHING)
    is_known: bool = False

    def lacks(self, needed: Iterable[Scope]) -> list[Scope]:
        """Of the scopes needed, those that are not all allowed."""
        return [
            scope
            for scope in needed
            if not all(self.permissions.allows(scope.resource, a) for a in scope.actions)
        ]


ANYBODY = Caller()


class CredentialsInvalid(Exception):
    """Credentials that prove nothing. The text says why, for the log: it quotes none of them."""


class Authenticator(Protocol):
    """One mode of authentication."""

    async def authenticate(self, authorization: str | None, *, at: float | None = None) -> Caller:
        """Who sends the header ``Authorization``, or no such header.

        ``at``: the credentials may have expired since that time (seconds since 1970): a long upload
        outlives the token that it was begun with.

        :raises CredentialsInvalid: they are wrong, expired, or of a kind that is not taken here.
        """

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        """What to raise for ``caller``, who lacks something of what is ``needed``.

        ``caller`` is None when the credentials were invalid. ``base_url`` is the registry's own
        address as the client sees it, without a slash at the end.
        """


class Open:
    """`Authenticator` of a registry that everybody may use: ``REGISTRY_AUTH=none``."""

    async def authenticate(self, authorization: str | None, *, at: float | None = None) -> Caller:
        return Caller(permissions=Everything(), is_known=True)

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        raise AssertionError("nobody is refused")
