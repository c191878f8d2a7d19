"""Reading documents in TOML that people write. All problems are collected, with their lines."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .toml_lines import Path, find_lines

_POSITION = re.compile(r" \(at line (\d+), column \d+\)$| \(at end of document\)$")


class DocumentInvalid(Exception):
    """``problems``: one line of text each, in the document's order, with file and line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class Problems:
    """The problems found so far. ``file`` is the document's name in their texts."""

    file: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, text: str) -> None:
        self.found.append((line, text))

    def lines(self) -> list[str]:
        """Return the problems in the document's order, each with file and line."""
        by_line = sorted(self.found, key=lambda problem: problem[0])
        return [f"{self.file}:{line}: {text}" for line, text in by_line]

    def raise_any(self) -> None:
        """:raises DocumentInvalid: there are problems."""
        if self.found:
            raise DocumentInvalid(self.lines())


def parse_toml(text: str, problems: Problems) -> tuple[Mapping[str, Any], Source]:
    """Return what a document contains, and where.

    :param problems: those of the document, to which the source will add.
    :raises DocumentInvalid: the text is not TOML; then there is nothing else to report.
    """
    text = text.removeprefix("\ufeff")
    try:
        # ValueError: besides what TOML forbids, what Python does, such as numbers of 5000 digits.
        return tomllib.loads(text), Source(find_lines(text), problems)
    except RecursionError:
        problems.add(1, "the document is nested too deeply")
    except ValueError as error:
        match = _POSITION.search(str(error))
        end = text.count("\n") + 1
        line = int(match[1]) if match and match[1] else end if match else 1
        problems.add(line, f"not valid TOML: {_POSITION.sub('', str(error))}")
    problems.raise_any()
    raise AssertionError("problems were added")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean "rule"?``, or nothing if no known word is similar."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


@dataclass(frozen=True)
class Text:
    """A string in the document, with its line."""

    text: str
    line: int


@dataclass(frozen=True)
class Source:
    """The document: the line of each of its keys and values, and the problems found so far."""

    lines: Mapping[Path, int]
    problems: Problems

    def line(self, path: Path) -> int:
        """Return a line; of a table without a header, as ``a`` in ``a.b = 1``, its first key's."""
        if path in self.lines:
            return self.lines[path]
        inside = (line for each, line in self.lines.items() if each[: len(path)] == path)
        return min(inside, default=1)

    def tables(self, document: Mapping[str, Any], key: str) -> list[Table]:
        """Return the tables of the array ``[[key]]``."""
        found = document.get(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self.problems.add(self.line((key,)), f"{key} must be written as [[{key}]]")
            return []
        return [Table(self, (key, index), each, key) for index, each in enumerate(found)]

    def table(self, document: Mapping[str, Any], key: str) -> Table:
        """Return the table ``[key]``, empty if it is missing."""
        found = document.get(key, {})
        if not isinstance(found, dict):
            self.problems.add(self.line((key,)), f"{key} must be written as [{key}]")
            found = {}
        return Table(self, (key,), found, key)


@dataclass(frozen=True)
class Table:
    """A table of the document. ``kind`` is its name in messages."""

    source: Source
    path: Path
    content: Mapping[str, Any]
    kind: str

    @property
    def line(self) -> int:
        return self.source.line(self.path)

    def problem(self, text: str, *path: str | int) -> None:
        """Add a problem with the table, or with the value at ``path`` in it."""
        self.source.problems.add(self.source.line((*self.path, *path)), text)

    def expect_only(self, known: Iterable[str]) -> None:
        """Add a problem for each key that is not known."""
        known = tuple(known)
        for key in self.content:
            if key not in known:
                guess = nearest(key, known) or f"; known are {', '.join(known)}"
                self.problem(f'unknown key "{key}" in {self.kind}{guess}', key)

    def text(self, key: str) -> str:
        """Return a string that is not empty. Otherwise add a problem and return an empty one."""
        found = self.content.get(key)
        if isinstance(found, str) and found.strip():
            return found
        if key in self.content:
            self.problem(f"{key} must be a string", key)
        else:
            self.problem(f"the {self.kind} lacks {key}")
        return ""

    def texts(self, key: str, example: str) -> list[Text]:
        """Return a list of different strings. Add a problem for all else, and for an empty list."""
        found = self.content.get(key)
        if key not in self.content:
            self.problem(f"the {self.kind} lacks {key}, such as {key} = {example}")
            return []
        if not isinstance(found, list):
            self.problem(f"{key} must be a list, such as {key} = {example}", key)
            return []
        if not found:
            self.problem(f"{key} is empty, so nothing can match", key)
        texts: dict[str, Text] = {}
        for index, each in enumerate(found):
            if not isinstance(each, str) or not each.strip():
                self.problem(f"{key} must be a list of strings that are not blank", key, index)
            elif each in texts:
                self.problem(f'{key} contains "{each}" twice', key, index)
            else:
                texts[each] = Text(each, self.source.line((*self.path, key, index)))
        return list(texts.values())

    def checked_texts(
        self, key: str, example: str, problem_with: Callable[[str], str]
    ) -> tuple[str, ...]:
        """Return those of the `texts` that are valid. Add a problem for all others.

        :param problem_with: returns what is wrong with a text; an empty string: nothing.
        """
        found = []
        for text in self.texts(key, example):
            if problem := problem_with(text.text):
                self.source.problems.add(text.line, problem)
            else:
                found.append(text.text)
        return tuple(found)
