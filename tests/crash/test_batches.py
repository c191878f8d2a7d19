"""A batch of deletions is not one act: a crash may leave any part of it done."""

from __future__ import annotations

from typing import Any, cast

import pytest

from registry_core.object_store.interface import if_match

from .loop import QuietLoop
from .operations import Operation
from .schedule import ANSWERED, LOST, REFUSED, Explorer
from .world import World, now

PATHS = ("a", "b", "c")


async def _delete(store: Any, _client: Any) -> Any:
    return await store.delete_batch([(path, if_match('"1"')) for path in PATHS])


@pytest.mark.parametrize("kind", [None, REFUSED, LOST])
def test_each_deletion_of_a_batch_takes_place_by_itself(kind: str | None) -> None:
    world = World()
    for path in PATHS:
        now(world.put(path, b""))
    loop = QuietLoop()
    explorer = Explorer(
        loop,
        lambda store: cast(Any, store),
        faults=kind is not None,
        kinds=[kind or ANSWERED],
        faulty=(0,),
    )
    nodes = list(explorer.explore(world.save(), [Operation("delete", _delete, [])]))
    loop.close()
    assert {"".join(sorted(node.state.objects)) for node in nodes} == {
        "abc",
        "ab",
        "ac",
        "bc",
        "a",
        "b",
        "c",
        "",
    }
    ends = {str(node.outcomes[0]) for node in nodes if node.outcomes}
    assert "[True, True, True]" in ends
    assert (len(ends) > 1) is (kind is not None)
