"""Large bodies in slices: other requests get their turn of the event loop after each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from registry_core.object_store.azure.session import Body
from registry_core.server.blobs import sliced
from tests.support.content import random_bytes
from tests.support.turns import counting_turns

pytestmark = pytest.mark.anyio

SLICE = 256 * 2**10
SIZES = [SLICE, 1, 3 * SLICE, 2 * SLICE + 1]
PIECES = [random_bytes(size) for size in SIZES]


async def pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


@pytest.mark.parametrize(
    "slices_of",
    [lambda: sliced(pieces()), lambda: Body(b"".join(PIECES))],
    ids=["a blob to a client", "a block to storage"],
)
async def test_of_a_large_body_one_slice_is_sent_in_a_turn(
    slices_of: Callable[[], AsyncIterator[memoryview]],
) -> None:
    sent: list[bytes] = []
    with counting_turns() as turns:
        send: Callable[[Any], None] = turns.counted(lambda piece: sent.append(bytes(piece)))
        async for piece in slices_of():
            send(piece)
    assert b"".join(sent) == b"".join(PIECES)
    assert max(map(len, sent)) == SLICE
    assert turns.most == 1


def test_a_slice_is_not_a_copy() -> None:
    content = bytearray(SLICE + 1)
    iterator = aiter(Body(content))
    with pytest.raises(StopIteration) as first:
        anext(iterator).__await__().send(None)
    content[0] = 1
    assert first.value.value[0] == 1
