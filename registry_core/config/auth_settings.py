"""Who may do what, as values of the settings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from ..auth.certificates import Bundle
from ..auth.keys import ALGORITHMS, KeySet
from ..auth.rules import Rules
from .builtin import BuiltinAuth
from .documents import Document


class Mode(StrEnum):
    """``REGISTRY_AUTH``."""

    NONE = "none"
    HTPASSWD = "htpasswd"
    TOKEN = "token"  # noqa: S105 - distribution's name of the mode
    BUILTIN = "builtin"


@dataclass(frozen=True)
class TokenAuth:
    """An issuer of tokens elsewhere, and its keys: some of ``bundle``, ``keys`` and ``keys_url``.

    ``realm`` is the URL of its token service, None for ``path`` at the registry's own address.
    """

    realm: str | None
    service: str
    issuer: str
    path: str
    bundle: Bundle | None = None
    keys: KeySet | None = None
    keys_url: str = ""
    algorithms: Collection[str] = ALGORITHMS


@dataclass(frozen=True)
class HtpasswdAuth:
    """Users of a password file."""

    realm: str
    users: Document


@dataclass(frozen=True)
class AuthSettings:
    """What the chosen mode needs; of the others nothing is read.

    ``rules``: None where there is no document of them.
    """

    mode: Mode = Mode.NONE
    token: TokenAuth | None = None
    htpasswd: HtpasswdAuth | None = None
    builtin: BuiltinAuth | None = None
    rules: Rules | None = None


OPEN = AuthSettings()
