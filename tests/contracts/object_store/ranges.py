"""The contract for parts of an object."""

from __future__ import annotations

import pytest

from registry_core.object_store.errors import RangeNotSatisfiable
from registry_core.object_store.interface import ObjectStore

from .common import CONTENT


class Ranges:
    """Parts of an object are read."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize(
        "offset, length, expected",
        [
            (0, 10, CONTENT),
            (0, 3, b"012"),
            (3, 4, b"3456"),
            (3, 7, b"3456789"),
            (9, 1, b"9"),
            (8, 100, b"89"),
            (0, 100, CONTENT),
            (3, 0, b""),
            (0, 0, b""),
        ],
    )
    async def test_a_range_returns_the_bytes_inside_it(
        self, store: ObjectStore, offset: int, length: int, expected: bytes
    ) -> None:
        await store.put("a", CONTENT, metadata={"digest": "x"})
        found = await store.get_range("a", offset, length)
        assert found.content == expected
        assert found.properties == await store.head("a")

    @pytest.mark.parametrize("offset", [10, 11, 1000])
    @pytest.mark.parametrize("length", [0, 1, 10])
    async def test_a_range_beyond_the_last_byte_is_not_satisfiable(
        self, store: ObjectStore, offset: int, length: int
    ) -> None:
        await store.put("a", CONTENT)
        with pytest.raises(RangeNotSatisfiable):
            await store.get_range("a", offset, length)

    @pytest.mark.parametrize("length", [0, 8 * 2**20])
    async def test_an_empty_object_can_be_read_from_its_start(
        self, store: ObjectStore, length: int
    ) -> None:
        await store.put("a", b"", metadata={"digest": "x"})
        found = await store.get_range("a", 0, length)
        assert found.content == b""
        assert found.properties == await store.head("a")
        with pytest.raises(RangeNotSatisfiable):
            await store.get_range("a", 1, length)
