"""Millions of digests in little memory, each with a number and a mark."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from heapq import merge

from ..spec.digest import Digest

BEGINNING = 8
"""Bytes that practically tell digests apart. What is marked by mistake is only kept."""


class DigestTable:
    """A sorted table of digests: 41 bytes for a sha256, 73 for a sha512.

    Digests must be added in lexical order, which is the order of listings.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}

    def add(self, digest: Digest, number: int = 0) -> None:
        """Append a digest, not marked.

        :raises ValueError: ``digest`` does not come after the previous one of its algorithm.
        """
        key = bytes.fromhex(digest.hex)
        column = self._columns.setdefault(digest.algorithm, _Column(len(key)))
        if column.numbers and column.key(-1) >= key:
            raise ValueError(f"{digest} is not in order")
        column.begin(key)
        column.keys += key
        column.numbers.append(number)
        column.marks.append(0)

    def number(self, digest: Digest) -> int | None:
        """Return the number added with a digest, None if the digest is not in the table."""
        column, index = self._find(digest)
        return column.numbers[index] if column else None

    def mark(self, digest: Digest) -> None:
        """Mark a digest; does nothing if it is not in the table."""
        column, index = self._find(digest)
        if column:
            column.marks[index] = 1

    def is_marked(self, digest: Digest) -> bool:
        """Return whether a digest is in the table and marked."""
        column, index = self._find(digest)
        return column is not None and column.marks[index] == 1

    def are_all_marked(self) -> bool:
        """Return whether no digest is without a mark."""
        return all(all(column.marks) for column in self._columns.values())

    def marked_beginnings(self) -> bytes:
        """Return the first `BEGINNING` bytes of each digest that is marked, sorted."""
        found = bytearray()
        for beginning in merge(*(column.marked_beginnings() for column in self._columns.values())):
            found += beginning
        return bytes(found)

    def mark_beginnings(self, beginnings: bytes) -> None:
        """Mark what `marked_beginnings` said, perhaps of an older table, and what begins alike.

        :raises ValueError: something else wrote it.
        """
        if len(beginnings) % BEGINNING:
            raise ValueError("not a list of beginnings of digests")
        for column in self._columns.values():
            column.mark_beginnings(beginnings)

    def __contains__(self, digest: Digest) -> bool:
        return self._find(digest)[0] is not None

    def __iter__(self) -> Iterator[Digest]:
        return (digest for digest, _, _ in self.rows())

    def __len__(self) -> int:
        return sum(len(column.numbers) for column in self._columns.values())

    def rows(self) -> Iterator[tuple[Digest, int, bool]]:
        """Yield each digest with its number and whether it is marked."""
        for algorithm, column in self._columns.items():
            for index, number in enumerate(column.numbers):
                digest = Digest(algorithm, column.key(index).hex())
                yield digest, number, bool(column.marks[index])

    def _find(self, digest: Digest) -> tuple[_Column | None, int]:
        column = self._columns.get(digest.algorithm)
        if column is None:
            return None, 0
        key = bytes.fromhex(digest.hex)
        start, end = column.bucket(key)
        index = bisect_left(range(end), key, start, key=column.key)
        is_found = index < end and column.key(index) == key
        return (column, index) if is_found else (None, 0)


# Digests that are found by themselves as fast as by buckets, more or less.
_FEW = 4096


class _Column:
    """The digests of one algorithm, ``width`` bytes each.

    ``starts`` has the index of the first digest of each bucket, up to that of the last digest: all
    that begin with the same two bytes. Digests are spread evenly, so a bucket has few. It takes up
    to 512 KiB, so a table of fewer than `_FEW` digests has none.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.keys = bytearray()
        self.numbers = array("q")
        self.marks = bytearray()
        self.starts = array("q")

    def begin(self, key: bytes) -> None:
        """Begin the bucket of a key that is about to be appended, unless it has begun."""
        number = len(self.numbers)
        if number == _FEW:
            for index in range(number):
                self._begin(self.key(index), index)
        if number >= _FEW:
            self._begin(key, number)

    def _begin(self, key: bytes, index: int) -> None:
        missing = _prefix(key) + 1 - len(self.starts)
        self.starts.extend([index] * missing)

    def bucket(self, key: bytes) -> tuple[int, int]:
        """Return the indices between which a key is, if anywhere."""
        first, number, prefix = self.starts, len(self.numbers), _prefix(key)
        if number <= _FEW:
            return 0, number
        start = first[prefix] if prefix < len(first) else number
        return start, first[prefix + 1] if prefix + 1 < len(first) else number

    def key(self, index: int) -> bytes:
        start = index % len(self.numbers) * self.width
        return bytes(self.keys[start : start + self.width])

    def marked_beginnings(self) -> Iterator[bytes]:
        for index, mark in enumerate(self.marks):
            if mark:
                yield self.key(index)[:BEGINNING]

    def mark_beginnings(self, beginnings: bytes) -> None:
        """Mark all keys that begin as one of the sorted ``beginnings``."""
        start = 0
        for index in range(len(self.marks)):
            key = self.key(index)[:BEGINNING]
            while start < len(beginnings) and beginnings[start : start + BEGINNING] < key:
                start += BEGINNING
            if beginnings[start : start + BEGINNING] == key:
                self.marks[index] = 1


def _prefix(key: bytes) -> int:
    return key[0] << 8 | key[1]
