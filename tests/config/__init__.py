from __future__ import annotations

from collections.abc import Mapping

SECRET = "c7a1e0f2b94d5836c7b1e0f2a94d5838"


def without_unset(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are set: in the tables of the tests, "" stands for unset."""
    return {name: text for name, text in environment.items() if text}
