"""The parameters of queries, parsed and built."""

from __future__ import annotations

from collections.abc import Sequence

from .digest import Digest
from .errors import DigestInvalid, SizeInvalid
from .staging import MAX_BLOCKS

Query = Sequence[tuple[str, str]]
"""Names and values in order, decoded; a name may occur more than once."""


class Parameters:
    """The parameters of a query, by name."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self._query if key == name)

    def last(self, name: str) -> str | None:
        """Return the last value, as most servers do; None if the parameter is absent."""
        return (self.all(name) or (None,))[-1]

    def blocks(self, name: str) -> int | None:
        """Return a number of blocks; None if the parameter is absent.

        :raises SizeInvalid: it is not one.
        """
        text = self.last(name)
        if text is None:
            return None
        is_number = text.isascii() and text.isdecimal() and len(text) < 9
        if is_number and 1 <= int(text) <= MAX_BLOCKS:
            return int(text)
        raise SizeInvalid(f"{name}={text[:40]!r} is not a number from 1 to {MAX_BLOCKS}")

    def digest(self, name: str) -> Digest | None:
        """:raises DigestInvalid:"""
        text = self.last(name)
        return None if text is None else Digest.parse(text)


def valid_digest(text: str) -> Digest | None:
    """Return the digest that a text is; None if it is not one."""
    try:
        return Digest.parse(text)
    except DigestInvalid:
        return None


def query_of(**values: object) -> Query:
    """Return the query of those values that are not None."""
    return tuple((name, str(value)) for name, value in values.items() if value is not None)
