"""Settings, one at a time: what is wrong with them is gathered, to be told all at once."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..globs import NO_TAGS, TagGlobs
from .names import KNOWN, PREFIX

_log = logging.getLogger(__name__)

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_MISSPELT = 0.9  # difflib's ratio above which an unknown name is taken for a known one


class ConfigError(Exception):
    """``problems``: one line each, naming the setting and saying what would be right."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class Reader:
    environment: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        return self.environment.get(name, "").strip()

    def check_names(self) -> None:
        for name in sorted(self.environment):
            if name.startswith(PREFIX) and name not in KNOWN:
                self._tell_nearest(name)

    def _tell_nearest(self, name: str) -> None:
        import difflib

        near = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0)[0]
        if difflib.SequenceMatcher(None, name, near).ratio() >= _MISSPELT:
            self.problems.append(f"{name} is not a setting; {near} is meant, or remove it")
        else:
            _log.warning("%s is not a setting of this registry; the nearest is %s", name, near)

    def flag(self, name: str, *, default: bool = False) -> bool:
        text = self.text(name).lower()
        if text and text not in _TRUE + _FALSE:
            self.problems.append(f"{name}={text!r} must be true or false")
        return text in _TRUE if text else default

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of ``choices``, of which the first is the default."""
        text = self.text(name).lower() or choices[0]
        if text not in choices:
            self.problems.append(f"{name}={text!r} must be one of {', '.join(choices)}")
        return text

    def tag_globs(self, name: str) -> TagGlobs:
        try:
            return TagGlobs.parse(self.text(name))
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return NO_TAGS

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,12}", text):
            self.problems.append(f"{name}={text!r} must be a whole number, 0 or more")
            return default
        return int(text)
