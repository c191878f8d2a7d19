"""What clients are shown about a fault is a literal, so that nothing private can get into it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from .tree import PROJECT, tracked

MODULES = tracked("registry_core/*.py")


def public_texts(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that become texts for clients."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if "public" in keywords:
            yield keywords["public"]
        if "is_public" in keywords:
            yield node.args[0]
        if isinstance(node.func, ast.Name) and node.func.id == "_Meaning":
            yield from node.args[2:]


def is_literal(node: ast.expr) -> bool:
    """Whether an expression is a literal, a constant, or another error's public text."""
    match node:
        case ast.Constant(value=str()):
            return True
        case ast.Name(id=name):
            return name.isupper() or name == "public"
        case ast.Attribute(attr=attribute):
            return attribute in {"public", "message"}
        case ast.BoolOp(values=values):
            return all(map(is_literal, values))
    return False


def violations(source: str) -> list[str]:
    return [ast.unparse(text) for text in public_texts(ast.parse(source)) if not is_literal(text)]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_public_texts_are_literals(module: str) -> None:
    assert violations((PROJECT / module).read_text()) == []


def test_the_public_texts_are_found() -> None:
    found = [text for m in MODULES for text in public_texts(ast.parse((PROJECT / m).read_text()))]
    assert len(found) > 20


@pytest.mark.parametrize(
    "source",
    [
        "StoreUnavailable(text, public=f'the account {name}')",
        "Unavailable(public=str(error))",
        "_Meaning(StoreRefused, 'advice', path + ' is archived')",
        "CredentialsInvalid(f'the tenant is {tenant}', is_public=True)",
    ],
)
def test_a_text_with_a_value_in_it_is_found(source: str) -> None:
    assert len(violations(source)) == 1
