"""The lines of the keys and values of a TOML document."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from registry_core.toml_lines import find_lines

TRICKY = '''
a.b = 1.5 # [c]
"x.y" = """
[no.table]
"""
'lit' = [ # comment ]
  "one", "]",
  [1, 2020-01-01 07:32:00.5],
  { k = "v", n.m = [true,
    false] },
]
[t."u v"]
"" = \'\'\'
= '\'\'\'\'
[[arr]]
k = "\\"["
[[arr]]
[arr.sub]
k = 07:32:00
'''


def test_every_key_and_value_is_found_on_its_line() -> None:
    assert tomllib.loads(TRICKY)["arr"][1]["sub"]
    assert find_lines(TRICKY) == {
        ("a", "b"): 2,
        ("x.y",): 3,
        ("lit",): 6,
        ("lit", 0): 7,
        ("lit", 1): 7,
        ("lit", 2): 8,
        ("lit", 2, 0): 8,
        ("lit", 2, 1): 8,
        ("lit", 3): 9,
        ("lit", 3, "k"): 9,
        ("lit", 3, "n", "m"): 9,
        ("lit", 3, "n", "m", 0): 9,
        ("lit", 3, "n", "m", 1): 10,
        ("t", "u v"): 12,
        ("t", "u v", ""): 13,
        ("arr", 0): 15,
        ("arr", 0, "k"): 16,
        ("arr", 1): 17,
        ("arr", 1, "sub"): 18,
        ("arr", 1, "sub", "k"): 19,
    }


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in leaves(each, (*path, key))]
    if isinstance(value, list):
        return [leaf for key, each in enumerate(value) for leaf in leaves(each, (*path, key))]
    return [path]


@given(st.lists(st.sampled_from(TRICKY.splitlines(keepends=True))).map("".join))
def test_every_value_that_tomllib_reads_has_a_line(text: str) -> None:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = find_lines(text)
    assert all(1 <= lines[leaf] <= text.count("\n") + 1 for leaf in leaves(content))
