"""Reading single settings from an environment, gathering all problems on the way."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..globs import NO_TAGS, TagGlobs
from .settings import Document
from .table import PREFIX, SETTINGS

_log = logging.getLogger(__name__)

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_MISSPELT = 0.9  # difflib's ratio from which on an unknown name is taken for a misspelt one
_INLINE = ("-----BEGIN", "{", "[")  # PEM, JSON, a table in TOML

# App Service sets all three, Flex Consumption the second and third. Neither other machines nor
# Functions Core Tools set any.
_APP_SERVICE = ("WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_SKU")
_CONTAINER_APPS = "CONTAINER_APP_NAME"


class ConfigError(Exception):
    """The settings are not usable.

    :ivar problems: one line each, naming the setting and what would be right.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class SettingsReader:
    """Parse settings by their names; ``problems`` collects what is wrong with them.

    A setting that is unset or blank has the default of the table of settings. What is returned for
    one with a problem only serves to find the other problems.
    """

    environment: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    @property
    def in_azure(self) -> bool:
        """Whether the process runs in Azure."""
        return self.in_app_service or bool(self.given(_CONTAINER_APPS))

    @property
    def in_app_service(self) -> bool:
        """Whether the process runs in Azure's App Service or Functions."""
        return any(self.given(name) for name in _APP_SERVICE)

    def given(self, name: str) -> str:
        """Return the value of an environment variable without white space around it, or ""."""
        return self.environment.get(name, "").strip()

    def text(self, name: str) -> str:
        """Return the value of a setting, or its default."""
        return self.given(name) or SETTINGS[name].default

    def flag(self, name: str) -> bool:
        """Return whether a setting is true."""
        text = self.text(name).lower()
        if text not in _TRUE + _FALSE:
            self.problems.append(f"{name}={text!r} must be true or false")
        return text in _TRUE

    def choice(self, name: str) -> str | None:
        """Return one of the setting's choices; None without one, which may be a problem."""
        text, choices = self.text(name).lower(), SETTINGS[name].choices
        if text in choices:
            return text
        if text:
            self.problems.append(f"{name}={text!r} must be one of {', '.join(choices)}")
        return None

    def number(self, name: str, most: int | None = None) -> int:
        """Return a whole number, 0 or more; ``most`` is the largest that is allowed."""
        text = self.text(name)
        if re.fullmatch(r"[0-9]{1,12}", text) and (most is None or int(text) <= most):
            return int(text)
        allowed = "0 or more" if most is None else f"0 to {most}"
        self.problems.append(f"{name}={text!r} must be a whole number, {allowed}")
        return int(SETTINGS[name].default)

    def words(self, name: str) -> tuple[str, ...]:
        """Return the items of a list, separated by commas or spaces, or written in YAML."""
        return tuple(self.text(name).strip("[]").replace(",", " ").replace('"', " ").split())

    def tag_globs(self, name: str) -> TagGlobs:
        """Return patterns of tags."""
        try:
            return TagGlobs.parse(self.text(name))
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return NO_TAGS

    def document(self, name: str, *, inline: str = "\n") -> Document | None:
        """Return the document that a setting holds or names; None without one.

        The value is the document itself if it has a line break, begins as PEM, JSON or a table in
        TOML do, or contains ``inline``; otherwise it is a path.
        """
        text = self.text(name)
        if not text:
            return None
        if "\n" in text or inline in text or text.startswith(_INLINE):
            return Document(text)
        path = Path(text)
        try:
            return Document(path.read_text(encoding="utf-8"), path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            self.problems.append(
                f"{name}={text!r} cannot be read as a file ({reason}); give a path, or the text"
            )
            return None

    def check_names(self) -> None:
        """Report variables that begin like settings and are none: distribution has many others."""
        for name in sorted(self.environment):
            if name.startswith(PREFIX) and name not in SETTINGS:
                self._report_unknown(name)

    def _report_unknown(self, name: str) -> None:
        import difflib

        nearest = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0)[0]
        if difflib.SequenceMatcher(None, name, nearest).ratio() >= _MISSPELT:
            self.problems.append(
                f"Unknown setting {name}; did you mean {nearest}? If not, remove it"
            )
        else:
            _log.warning("Unknown setting %s is ignored; the most similar is %s", name, nearest)
