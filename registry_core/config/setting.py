"""What a setting is: its name, type, default and meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .settings import Mode

PREFIX = "REGISTRY_"


class Type(StrEnum):
    """The form of a setting's value, as the documentation names it."""

    TEXT = "text"
    URL = "URL"
    FLAG = "`true` or `false`"
    NUMBER = "number"
    DURATION = "duration"
    CHOICE = "one of several words"
    LIST = "list, separated by commas"
    DOCUMENT = "path, or the text itself"


@dataclass(frozen=True)
class Setting:
    """An environment variable that configures the registry.

    :ivar description: one or more sentences for the documentation, in Markdown.
    :ivar default: the value used if the variable is unset; "" if there is none.
    :ivar unset: for the documentation: what happens without a value, without a default.
    :ivar choices: the values that a setting of type CHOICE may have.
    """

    name: str
    description: str
    type: Type = Type.TEXT
    default: str = ""
    unset: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Settings that belong together.

    ``modes`` are the modes of authentication that read them; empty: they are always read.
    """

    title: str
    modes: tuple[Mode, ...] = ()
    settings: list[Setting] = field(default_factory=list)

    def add(
        self,
        name: str,
        description: str,
        type: Type = Type.TEXT,  # noqa: A002 - the column's name
        default: str = "",
        *,
        unset: str = "",
        choices: tuple[str, ...] = (),
    ) -> str:
        """Add a setting (see `Setting`) and return its name."""
        self.settings.append(Setting(name, description, type, default, unset, choices))
        return name
