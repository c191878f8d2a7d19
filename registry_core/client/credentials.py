"""Credentials for a registry, from wherever they are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ..spec.errors import Unauthorized


@dataclass(frozen=True)
class Basic:
    """A user name and a password."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class IdentityToken:
    """A refresh token, for the token service only. ``name``: the user it was issued for, if known.

    Docker's "OAuth2 token authentication": ``grant_type=refresh_token``.
    """

    token: str = field(repr=False)
    name: str = ""


@dataclass(frozen=True)
class RegistryToken:
    """A token that the registry itself accepts as ``Bearer``."""

    token: str = field(repr=False)


Login = Basic | IdentityToken | RegistryToken


class CredentialsUnusable(Unauthorized):
    """Credentials are configured and cannot be read; the text says where, and never quotes them."""


class Credentials(Protocol):
    """Where logins come from."""

    async def get(self, host: str, repository: str = "") -> Login | None:
        """Return the login for a registry, or the one for a repository if that has its own.

        :param host: the registry's host, with its port if that is unusual.
        :return: None if there is none: the client is anonymous then.
        :raises CredentialsUnusable: they are configured and cannot be read.
        """


@dataclass(frozen=True)
class Fixed:
    """`Credentials` that are one login, for whatever registry the client is for."""

    login: Login | None

    async def get(self, host: str, repository: str = "") -> Login | None:
        return self.login
