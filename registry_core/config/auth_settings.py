"""Who may do what, as values of the settings. What only some modes have is imported by them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .documents import Document

if TYPE_CHECKING:
    from ..auth.rules import Rules
    from .builtin import BuiltinAuth
    from .token import TokenAuth


class Mode(StrEnum):
    """``REGISTRY_AUTH``."""

    NONE = "none"
    HTPASSWD = "htpasswd"
    TOKEN = "token"  # noqa: S105 - distribution's name of the mode
    BUILTIN = "builtin"


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
