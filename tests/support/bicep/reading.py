"""tree-sitter's nodes to expressions."""

from __future__ import annotations

import re
from collections.abc import Callable

from tree_sitter import Node

from .expressions import (
    Array,
    Condition,
    Expression,
    Literal,
    Loop,
    Name,
    Object,
    Property,
    Text,
)
from .precedence import COMPOUND, compound
from .syntax import line_of, named, text_of

_ESCAPES = {"\\\\": "\\", "\\'": "'", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}
_AROUND_A_BODY = frozenset({"resource_declaration", "if_statement", "for_statement"})
_ESCAPE = re.compile(r"\\u\{([0-9a-fA-F]+)\}|\\.")


class NotUnderstood(Exception):
    """A construct that this reader does not know: it refuses, rather than to pass it over."""

    def __init__(self, node: Node) -> None:
        super().__init__(f"not understood by these tests: {node.type} {text_of(node)[:60]!r}")
        self.line = line_of(node)


def expression(node: Node) -> Expression:
    """:raises NotUnderstood: the node is no expression that is known here."""
    if node.type in COMPOUND:
        return compound(node, expression)
    reader = _READERS.get(node.type)
    if reader is None:
        raise NotUnderstood(node)
    return reader(node)


def text(node: Node) -> Text:
    """A string, with its escapes resolved; blanks before ``${`` belong to the text."""
    whole = node.text or b""
    multiline = whole.startswith(b"'''")
    quote = 3 if multiline else 1
    pieces: list[str | Expression] = []
    at = quote
    for child in node.children:
        if child.type != "interpolation":
            continue
        opening = child.children[0]
        begin = opening.end_byte - node.start_byte - len(b"${")
        pieces += [_unescaped(whole[at:begin].decode(), escapes=not multiline)]
        pieces += [expression(named(child)[0])]
        at = child.end_byte - node.start_byte
    rest = _unescaped(whole[at : len(whole) - quote].decode(), escapes=not multiline)
    if multiline:
        rest = rest.removeprefix("\n")
    return Text(line_of(node), tuple(piece for piece in [*pieces, rest] if piece != ""))


def _unescaped(raw: str, *, escapes: bool) -> str:
    def value(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code, 16)) if code else _ESCAPES[match[0]]

    return _ESCAPE.sub(value, raw) if escapes else raw


def _nested(node: Node) -> Expression:
    """``account::blobs`` is a name by itself: that of the resource `blobs` inside `account`."""
    of, name = named(node)
    return Name(line_of(node), f"{text_of(of)}::{text_of(name)}")


def _object(node: Node) -> Expression:
    entries = [child for child in named(node) if nested_resource(child) is None]
    return Object(line_of(node), tuple(_property(child) for child in entries))


def nested_resource(node: Node) -> Node | None:
    """The resource that an entry of another one's body declares; it is read beside it."""
    inner = named(node)
    body = node.parent and node.parent.parent
    if len(inner) != 1 or inner[0].type != "resource_declaration" or body is None:
        return None
    return inner[0] if body.type in _AROUND_A_BODY else None


def _property(node: Node) -> Property:
    children = named(node)
    if len(children) != 2:
        raise NotUnderstood(node)
    key, value = children
    name = text(key) if key.type == "string" else Text(line_of(key), (text_of(key),))
    return Property(line_of(node), name, expression(value))


def _loop(node: Node) -> Expression:
    variable, over, body = named(node)
    names = named(variable) if variable.type == "for_loop_parameters" else [variable]
    variables = tuple(text_of(name) for name in names)
    return Loop(line_of(node), variables, expression(over), expression(body))


def _condition(node: Node) -> Expression:
    condition, body = [expression(child) for child in named(node)]
    return Condition(line_of(node), condition, body)


_READERS: dict[str, Callable[[Node], Expression]] = {
    "string": text,
    "number": lambda node: Literal(line_of(node), int(text_of(node))),
    "boolean": lambda node: Literal(line_of(node), text_of(node) == "true"),
    "null": lambda node: Literal(line_of(node), None),
    "identifier": lambda node: Name(line_of(node), text_of(node)),
    "parenthesized_expression": lambda node: expression(named(node)[0]),
    "resource_expression": _nested,
    "object": _object,
    "array": lambda node: Array(line_of(node), tuple(expression(c) for c in named(node))),
    "for_statement": _loop,
    "if_statement": _condition,
}
