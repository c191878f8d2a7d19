"""Reading the tables of a rules document: what is wrong is gathered, with its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .positions import Path
from .problems import Problems, nearest


@dataclass(frozen=True)
class Text:
    """A string of the document, and where it stands."""

    text: str
    line: int


@dataclass(frozen=True)
class Source:
    """The document: where everything stands, and what is wrong so far."""

    lines: Mapping[Path, int]
    problems: Problems

    def line(self, path: Path) -> int:
        """Of a table without a header, as ``a`` in ``a.b = 1``: that of its first key."""
        if path in self.lines:
            return self.lines[path]
        inside = (line for each, line in self.lines.items() if each[: len(path)] == path)
        return min(inside, default=1)

    def tables(self, document: Mapping[str, Any], key: str) -> list[Table]:
        """An array of tables: ``[[key]]``."""
        found = document.get(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self.problems.add(self.line((key,)), f"{key} is written as [[{key}]]")
            return []
        return [Table(self, (key, index), each, key) for index, each in enumerate(found)]

    def table(self, document: Mapping[str, Any], key: str) -> Table:
        """One table, empty where it is missing: ``[key]``."""
        found = document.get(key, {})
        if not isinstance(found, dict):
            self.problems.add(self.line((key,)), f"{key} is written as [{key}]")
            found = {}
        return Table(self, (key,), found, key)


@dataclass(frozen=True)
class Table:
    source: Source
    path: Path
    content: Mapping[str, Any]
    kind: str

    @property
    def line(self) -> int:
        return self.source.line(self.path)

    def problem(self, text: str, *path: str | int) -> None:
        """Something is wrong with the table, or with what stands in it at ``path``."""
        self.source.problems.add(self.source.line((*self.path, *path)), text)

    def expect_only(self, known: Iterable[str]) -> None:
        known = tuple(known)
        for key in self.content:
            if key not in known:
                guess = nearest(key, known) or f"; there are {', '.join(known)}"
                self.problem(f'unknown key "{key}" in {self.kind}{guess}', key)

    def text(self, key: str) -> str:
        """A string that is not empty; without one, that is a problem, and the result is empty."""
        found = self.content.get(key)
        if isinstance(found, str) and found.strip():
            return found
        if key in self.content:
            self.problem(f"{key} must be a text, in quotes", key)
        else:
            self.problem(f"the {self.kind} lacks {key}")
        return ""

    def texts(self, key: str, example: str) -> list[Text]:
        """A list of strings, at least one, each once; others are problems and left out."""
        found = self.content.get(key)
        if key not in self.content:
            self.problem(f"the {self.kind} lacks {key}, such as {key} = {example}")
            return []
        if not isinstance(found, list):
            self.problem(f"{key} must be a list, such as {key} = {example}", key)
            return []
        if not found:
            self.problem(f"{key} is empty, so that nothing can match", key)
        texts: dict[str, Text] = {}
        for index, each in enumerate(found):
            if not isinstance(each, str) or not each.strip():
                self.problem(f"{key} must be a list of texts, in quotes", key, index)
            elif each in texts:
                self.problem(f'{key} has "{each}" twice', key, index)
            else:
                texts[each] = Text(each, self.source.line((*self.path, key, index)))
        return list(texts.values())
