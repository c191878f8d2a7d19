"""Text of Bicep to tree-sitter's tree, and what is wrong with it as text.

tree-sitter's grammar is more patient than Bicep: it also takes two entries on one line with nothing
between them, and a decorator that decorates nothing. Both are found here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

COMMENTS = frozenset({"comment", "diagnostic_comment"})
_LISTS = frozenset({"object", "array", "infrastructure"})


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong, where, and what would be right. ``file`` is relative to the folder checked."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def parse(text: str) -> Node:
    return _parser().parse(text.encode()).root_node


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bicep.language()))


def line_of(node: Node) -> int:
    """Counted from 1."""
    return node.start_point[0] + 1


def text_of(node: Node) -> str:
    return (node.text or b"").decode()


def named(node: Node) -> list[Node]:
    """The children that mean something: neither punctuation nor comments."""
    return [child for child in node.named_children if child.type not in COMMENTS]


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def comments(root: Node) -> dict[int, str]:
    """The text of each comment by line."""
    return {line_of(node): text_of(node) for node in walk(root) if node.type == "comment"}


def syntax_problems(file: str, root: Node) -> Iterator[Problem]:
    for node in walk(root):
        if node.is_missing:
            yield Problem(file, line_of(node), f"something is missing here: {node.type} expected")
        elif node.is_error:
            yield Problem(file, line_of(node), f"not Bicep: {_first_line(node)!r}")
        elif node.type in _LISTS:
            yield from _crowded(file, node)
        elif node.type == "decorators" and not _decorates(node):
            yield Problem(file, line_of(node), "a decorator must stand above a declaration")


def _first_line(node: Node) -> str:
    lines = text_of(node).strip().splitlines()
    return lines[0] if lines else ""


def _crowded(file: str, node: Node) -> Iterator[Problem]:
    """Entries need a line break or a comma between them."""
    before: Node | None = None
    for child in node.children:
        if child.type in COMMENTS:
            continue
        if (
            child.is_named
            and before is not None
            and before.is_named
            and child.start_point[0] == before.end_point[0]
        ):
            yield Problem(file, line_of(child), "two entries on one line: begin a new one")
        before = child


def _decorates(node: Node) -> bool:
    after = node.next_named_sibling
    while after is not None and after.type in COMMENTS:
        after = after.next_named_sibling
    return after is not None and after.type.endswith(("_declaration", "_function"))
