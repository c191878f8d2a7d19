"""The caller of a request, what they may do, and the protocol of what authenticates them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..spec.errors import RegistryError
from ..spec.scopes import ANY, Resource, Scope


class Permissions(Protocol):
    """What a caller may do."""

    def allows(self, resource: Resource, action: str) -> bool:
        """Whether the action on the resource is allowed."""

    def reads_everything(self) -> bool:
        """Whether every repository may be pulled, whatever its name."""

    def sees(self, repository: str) -> bool:
        """Whether the catalog, if it may be listed at all, shows the repository."""

    def beginnings(self) -> tuple[str, ...]:
        """Return texts with one of which each repository begins that the catalog shows.

        Sorted, and none begins with another one. ``("",)``: it may be any repository.
        """


class Everything:
    """`Permissions` to do everything."""

    def allows(self, resource: Resource, action: str) -> bool:
        return True

    def reads_everything(self) -> bool:
        return True

    def sees(self, repository: str) -> bool:
        return True

    def beginnings(self) -> tuple[str, ...]:
        return ("",)


@dataclass(frozen=True)
class Granted:
    """`Permissions` that a token's ``access`` claim grants, and no others.

    The class of a repository limits what may be pushed there (`repository_classes`), not whether.
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

    def beginnings(self) -> tuple[str, ...]:
        return ("",)


NOTHING = Granted()


@dataclass(frozen=True)
class Caller:
    """The user or workload that sends a request, and what they may do.

    ``name`` identifies them in logs and upload sessions; it is empty for anonymous callers.
    ``is_known``: the request has valid credentials, even if those name nobody.

    The rest is for the audit log. ``kind``: the kind of identity, empty for anonymous callers.
    ``key``: the name of the personal access key that the credentials come from. ``token``: the id
    of the token that was sent (``jti``).
    """

    name: str = ""
    permissions: Permissions = field(default=NOTHING)
    is_known: bool = False
    kind: str = ""
    key: str = ""
    token: str = ""

    def lacks(self, needed: Iterable[Scope]) -> list[Scope]:
        """Return those of the needed scopes that are not allowed in full."""
        return [
            scope
            for scope in needed
            if not all(self.permissions.allows(scope.resource, a) for a in scope.actions)
        ]


ANYBODY = Caller()
"""An anonymous caller without permissions."""


class CredentialsInvalid(Exception):
    """The credentials prove nothing. The text says why, for the log, and does not quote them.

    Clients are shown it only if ``is_public``: it may say what the registry would have accepted.
    """

    def __init__(self, text: str, *, is_public: bool = False) -> None:
        super().__init__(text)
        self.message = text if is_public else "the credentials are not valid"
        """What clients are shown."""


class Authenticator(Protocol):
    """One mode of authentication."""

    async def authenticate(
        self, authorization: str | None, *, at: float | None = None, client: str = ""
    ) -> Caller:
        """Return the caller of a request.

        :param authorization: the header ``Authorization``, None if the request has none.
        :param at: accept credentials that have expired since this time (seconds since 1970), if
            their owner may still do what they grant, as far as that can be checked; an upload
            outlives the token that it was begun with.
        :param client: the address of the client, empty if it is unknown: what one client tries must
            not keep others waiting.
        :raises CredentialsInvalid: they are wrong, expired, or of a kind not accepted here.
        :raises TooManyRequests: too many others are being checked for this client.
        :raises Unavailable: they cannot be checked now.
        """

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        """Return the error for a caller who lacks some of the needed scopes.

        :param caller: None if the credentials were invalid.
        :param base_url: the registry's address as the client sees it, without a slash at the end.
        """


class Open:
    """`Authenticator` of a registry open to everybody: ``REGISTRY_AUTH=none``."""

    async def authenticate(
        self, authorization: str | None, *, at: float | None = None, client: str = ""
    ) -> Caller:
        return Caller(permissions=Everything(), is_known=True)

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        raise AssertionError("an open registry refuses nobody")
