"""Reading single settings from an environment, gathering all problems on the way."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ..globs import NO_TAGS, TagGlobs, UrlGlobs
from ..spec.durations import format_duration, parse_duration
from .setting import PREFIX, Setting, Type
from .settings import Document
from .table import SETTINGS

_log = logging.getLogger(__name__)

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
# Settings of distribution that resemble one of ours and mean something else.
_OTHERS_SETTINGS = frozenset(
    f"{PREFIX}STORAGE_MAINTENANCE_UPLOADPURGING_{name}"
    for name in ("ENABLED", "INTERVAL", "DRYRUN")
)
_MISSPELT = 0.9  # difflib's ratio from which on an unknown name is taken for a misspelt one
_INLINE = ("-----BEGIN", "{", "[")  # PEM, JSON, a table in TOML

# App Service hands the app the reference itself where it cannot resolve it. Its text is public.
# learn.microsoft.com/azure/app-service/app-service-key-vault-references, "Troubleshooting"
# learn.microsoft.com/azure/app-service/app-service-configuration-references
_REFERENCES = {
    "@Microsoft.KeyVault(": "the role Key Vault Secrets User on the vault",
    "@Microsoft.AppConfiguration(": "the role App Configuration Data Reader on the store",
}
_READ = (PREFIX, "AZURE_")

_BEGINNING = re.compile(r"^\w+")

# What a list without items may consist of. Other values have no white space around them.
_EMPTY_LIST = ' ,[]"'

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

    A setting that is unset has the default of the table of settings. So has one that is blank, for
    which `check_values` reports a problem: what is returned for a setting with a problem only
    serves to find the other problems.
    """

    environment: Mapping[str, str]
    problems: list[str] = field(default_factory=list)
    _unusable: dict[str, str] = field(default_factory=dict)

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

    def optional_flag(self, name: str) -> bool | None:
        """Return whether a setting is true; None if it is unset."""
        return self.flag(name) if self.given(name) else None

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

    def duration(self, name: str, least: timedelta = timedelta()) -> timedelta:
        """Return a duration, of at least ``least``, from a setting that has a default."""
        try:
            duration = parse_duration(self.text(name))
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return parse_duration(SETTINGS[name].default or "0")
        if duration < least:
            self.problems.append(
                f"{name}={self.text(name)!r} must be at least {format_duration(least)}"
            )
        return duration

    def optional_duration(self, name: str) -> timedelta | None:
        """Return a duration; None if the setting is unset."""
        return self.duration(name) if self.given(name) else None

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

    def url_globs(self, name: str) -> UrlGlobs | None:
        """Return patterns of URLs; None without any."""
        try:
            return UrlGlobs(self.words(name)) if self.text(name) else None
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return None

    def document(
        self, name: str, *, inline: str = "\n", is_secret: bool = False
    ) -> Document | None:
        """Return the document that a setting holds or names; None without one.

        The value is the document itself if it has a line break, begins as PEM, JSON or a table in
        TOML do, or contains ``inline``; otherwise it is a path. One that ``is_secret`` is never
        quoted, because what is taken for a path may be a key in another format.
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
            value = "" if is_secret else f"={text!r}"
            self.problems.append(
                f"{name}{value} cannot be read as a file ({reason}); give a path, or the text"
            )
            return None

    def check_values(self) -> None:
        """Report settings without a usable value, whatever they are for: blank ones, references.

        A blank setting is not taken for an unset one. Somebody meant to give it a value, and where
        that got lost, as the output of a command that failed, the default may allow more than was
        meant.
        """
        for name in sorted(self.environment):
            text = self.given(name)
            reference = next((r for r in _REFERENCES if text.lower().startswith(r.lower())), "")
            if reference and (name in SETTINGS or name.startswith(_READ)):
                self._unusable[name] = (
                    f"{name} is a reference that App Service has not resolved: {reference}...); "
                    f"the app's identity needs {_REFERENCES[reference]}, and a way to reach it. "
                    "Then restart the app"
                )
            elif name in SETTINGS and _is_blank(SETTINGS[name], text):
                meaning = SETTINGS[name].description.split(". ")[0].rstrip(".")
                self._unusable[name] = (
                    f"{name} is set, but blank; give it a value, or remove it ({meaning})"
                )

    def all_problems(self) -> list[str]:
        """Return all problems; of settings without a usable value only that.

        What the readers say of those is redundant. Each problem begins with its setting's name.
        """
        others = (p for p in self.problems if _BEGINNING.findall(p)[0] not in self._unusable)
        return [*self._unusable.values(), *others]

    def check_names(self) -> None:
        """Report variables that begin like settings and are none: distribution has many others."""
        for name in sorted(self.environment):
            if name.startswith(PREFIX) and name not in SETTINGS:
                self._report_unknown(name)

    def _report_unknown(self, name: str) -> None:
        import difflib

        nearest = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0)[0]
        resemblance = difflib.SequenceMatcher(None, name, nearest).ratio()
        if resemblance >= _MISSPELT and name not in _OTHERS_SETTINGS:
            self.problems.append(
                f"Unknown setting {name}; did you mean {nearest}? If not, remove it"
            )
        else:
            _log.warning("Unknown setting %s is ignored; the most similar is %s", name, nearest)


def _is_blank(setting: Setting, text: str) -> bool:
    return not (text.strip(_EMPTY_LIST) if setting.type is Type.LIST else text)
