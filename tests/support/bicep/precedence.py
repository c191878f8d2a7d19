"""What binds to what, decided anew.

tree-sitter's grammar of Bicep hangs ``.name``, ``[index]`` and calls on everything before them: it
reads ``a == b.c`` as ``(a == b).c``. So a node is laid out flat, in the order in which it is
written, and put together by Bicep's own precedence (`SyntaxFacts` in its compiler). What stands in
parentheses is one piece.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tree_sitter import Node

from .expressions import Call, Choice, Expression, Index, Lambda, Member, Operation
from .syntax import line_of, named, text_of

_COMPOUND = """
member_expression subscript_expression call_expression unary_expression binary_expression
ternary_expression lambda_expression
"""
COMPOUND = frozenset(_COMPOUND.split())
_LEVELS = ("??", "||", "&&", "== != =~ !~", "< > <= >=", "+ -", "* / %")  # the loosest first
_LEVEL = {operator: at for at, level in enumerate(_LEVELS) for operator in level.split()}


@dataclass(frozen=True)
class _Prefix:
    """Before an operand: an operator, or with ``=>`` the variables of a lambda."""

    line: int
    operator: str
    variables: tuple[str, ...] = ()


Piece = Expression | _Prefix | str
Read = Callable[[Node], Expression]


def compound(node: Node, read: Read) -> Expression:
    """``read`` turns a node that is one piece into an expression."""
    pieces = _Pieces(_flat(node, read))
    value = pieces.expression()
    assert pieces.done, f"line {line_of(node)}: {text_of(node)}"
    return value


def _flat(node: Node, read: Read) -> list[Piece]:
    inner = named(node)
    if node.type == "binary_expression":
        return [*_flat(inner[0], read), _operator(node), *_flat(inner[1], read)]
    if node.type == "ternary_expression":
        condition, then, otherwise = inner
        whole = compound(then, read) if then.type in COMPOUND else read(then)
        return [*_flat(condition, read), "?", whole, *_flat(otherwise, read)]
    if node.type == "unary_expression":
        return [_Prefix(line_of(node), _operator(node)), *_flat(inner[0], read)]
    if node.type == "lambda_expression":
        head, body = inner
        names = [head] if head.type == "identifier" else named(head)
        variables = tuple(text_of(name) for name in names)
        return [_Prefix(line_of(node), "=>", variables), *_flat(body, read)]
    if node.type in COMPOUND:
        return _with_suffix(node, read)
    return [read(node)]


def _with_suffix(node: Node, read: Read) -> list[Piece]:
    """``.name``, ``[index]`` and ``(arguments)`` belong to the last piece before them."""
    of, last = named(node)
    if node.type == "call_expression":
        given = tuple(read(argument) for argument in named(last))
        if of.type == "identifier":
            return [Call(line_of(of), None, text_of(of), given)]
        of, name = named(of)
        *before, piece = _flat(of, read)
        assert isinstance(piece, Expression)
        return [*before, Call(line_of(name), piece, text_of(name), given)]
    *before, piece = _flat(of, read)
    assert isinstance(piece, Expression)
    if node.type == "member_expression":
        return [*before, Member(line_of(last), piece, text_of(last))]
    return [*before, Index(line_of(last), piece, read(last))]


def _operator(node: Node) -> str:
    operator = node.child_by_field_name("operator")
    assert operator is not None
    return text_of(operator)


class _Pieces:
    """Precedence climbing over pieces."""

    def __init__(self, pieces: list[Piece]) -> None:
        self._left = pieces

    @property
    def done(self) -> bool:
        return not self._left

    def expression(self) -> Expression:
        first = self._left[0]
        if isinstance(first, _Prefix) and first.operator == "=>":
            self._left.pop(0)
            return Lambda(first.line, first.variables, self.expression())
        value = self._binary(0)
        if not self._left or self._left[0] != "?":
            return value
        self._left.pop(0)
        return Choice(value.line, value, self._unary(), self.expression())

    def _binary(self, least: int) -> Expression:
        left = self._unary()
        while self._left and isinstance(operator := self._left[0], str) and operator in _LEVEL:
            if _LEVEL[operator] < least:
                break
            self._left.pop(0)
            right = self._binary(_LEVEL[operator] + 1)
            left = Operation(left.line, operator, (left, right))
        return left

    def _unary(self) -> Expression:
        piece = self._left.pop(0)
        if isinstance(piece, _Prefix):
            return Operation(piece.line, piece.operator, (self._unary(),))
        assert isinstance(piece, Expression), piece
        return piece
