"""Evaluates the expressions that a snapshot leaves open: `[format('{0}/a', reference(...))]`.

The compiler evaluates everything it can. What remains depends on values that only Azure knows, such
as the URL of a vault, or on secrets. The tests supply sample values for those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Functions = Mapping[str, Callable[..., Any]]

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|-?\d+|\w+|[(),.])")


def resolve(value: Any, functions: Functions) -> Any:
    """Return a JSON value with every expression in it evaluated.

    :raises KeyError: an expression calls a function that is not in `functions`.
    """
    if isinstance(value, dict):
        return {name: resolve(inner, functions) for name, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, functions) for inner in value]
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return _Evaluation(value[1:-1], functions).value()
    return value


class _Evaluation:
    """Recursive descent over the tokens: literals, calls, and the members of results."""

    def __init__(self, text: str, functions: Functions) -> None:
        assert not _TOKEN.sub("", text).strip(), f"{text} has other characters than expressions do"
        self._tokens = _TOKEN.findall(text)
        self._functions = functions

    def value(self) -> Any:
        token = self._tokens.pop(0)
        if token.startswith("'"):
            result: Any = token[1:-1].replace("''", "'")
        elif token.lstrip("-").isdigit():
            result = int(token)
        else:
            result = self._functions[token](*self._arguments())
        while self._tokens and self._tokens[0] == ".":
            self._take(".")
            result = result[self._tokens.pop(0)]
        return result

    def _arguments(self) -> list[Any]:
        self._take("(")
        arguments = []
        while self._tokens[0] != ")":
            arguments.append(self.value())
            if self._tokens[0] == ",":
                self._take(",")
        self._take(")")
        return arguments

    def _take(self, expected: str) -> None:
        token = self._tokens.pop(0)
        assert token == expected, f"{expected} expected, {token} found"
