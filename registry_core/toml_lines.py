"""The lines of the keys and values of a TOML document, which `tomllib` does not report.

The document must be one that `tomllib` has parsed: the scanner does not check its syntax.
Source: toml.io/en/v1.0.0.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys and array indexes, from the top of the document."""

_TOKEN = re.compile(
    r"""
      (?P<blank> [\ \t\r]+ | \#[^\n]* )
    | (?P<string> \"{3} (?: \\. | [^\\] )*? \"{3,5} | '{3} .*? '{3,5}
                | " (?: \\. | [^"\\] )* " | ' [^']* ' )
    | (?P<symbol> [\[\]{},=.\n] )
    | (?P<bare> [^\s\[\]{},=."'\#]+ )
    """,
    re.VERBOSE | re.DOTALL,
)


def find_lines(text: str) -> Mapping[Path, int]:
    """Return the line, from 1, of each key, table and array element.

    A table's line is that of its first header.
    """
    return dict(_Scanner(text).scan())


@dataclass(frozen=True)
class _Token:
    text: str
    kind: str
    line: int


class _Scanner:
    def __init__(self, text: str) -> None:
        self._tokens = _tokenize(text)
        self._next = next(self._tokens, None)
        self._counts: dict[Path, int] = {}  # the number of tables so far in each array of tables

    def scan(self) -> Iterator[tuple[Path, int]]:
        table: Path = ()
        while self._next is not None:
            line = self._next.line
            if self._accept("\n"):
                continue
            if self._accept("["):
                table = self._header()
                yield table, line
            else:
                yield from self._pair(table)

    def _header(self) -> Path:
        """Read a header from its first bracket on. ``[[a]]`` is the next table of an array.

        ``[a.b]`` is in the last one.
        """
        is_array = self._accept("[")
        *parents, last = self._key()
        path: Path = ()
        for key in parents:
            path = self._in_last((*path, key))
        path = (*path, last)
        if is_array:
            self._counts[path] = self._counts.get(path, 0) + 1
        self._accept("]")
        self._accept("]")
        return self._in_last(path)

    def _in_last(self, path: Path) -> Path:
        return (*path, self._counts[path] - 1) if path in self._counts else path

    def _key(self) -> list[str]:
        parts = [_plain(self._take())]
        while self._accept("."):
            parts.append(_plain(self._take()))
        return parts

    def _pair(self, table: Path) -> Iterator[tuple[Path, int]]:
        line = self._take_line()
        path = (*table, *self._key())
        yield path, line
        self._accept("=")
        yield from self._value(path)

    def _value(self, path: Path) -> Iterator[tuple[Path, int]]:
        if self._accept("["):
            yield from self._array(path)
        elif self._accept("{"):
            while not self._accept("}"):
                if not self._accept(",") and not self._accept("\n"):
                    yield from self._pair(path)
        else:
            self._take()
            # Numbers and times, as `1.5` and `07:32:00.5`, are several tokens.
            while self._next and (self._next.kind == "bare" or self._next.text == "."):
                self._take()

    def _array(self, path: Path) -> Iterator[tuple[Path, int]]:
        index = 0
        while not self._accept("]"):
            if self._accept(",") or self._accept("\n"):
                continue
            yield (*path, index), self._take_line()
            yield from self._value((*path, index))
            index += 1

    def _take(self) -> _Token:
        token = self._next
        assert token is not None, "a valid document does not end here"
        self._next = next(self._tokens, None)
        return token

    def _take_line(self) -> int:
        assert self._next is not None, "a valid document does not end here"
        return self._next.line

    def _accept(self, symbol: str) -> bool:
        if self._next is None or self._next.kind != "symbol" or self._next.text != symbol:
            return False
        self._take()
        return True


def _tokenize(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "blank":
            yield _Token(match[0], str(match.lastgroup), line)
        line += match[0].count("\n")


def _plain(token: _Token) -> str:
    if token.kind == "bare":
        return token.text
    plain: str = tomllib.loads(f"key = {token.text}")["key"]
    return plain
