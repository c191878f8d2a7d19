"""Tags that move: over what was seen, and under the preconditions of a request."""

import asyncio
from typing import Any

import pytest

from registry_core.object_store.errors import ConditionFailed
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.manifest import parse_manifest
from registry_core.spec.preconditions import Precondition, PreconditionFailed
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_image
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

FIRST, SECOND = image_manifest(b"first"), image_manifest(b"second")
OF_FIRST, OF_SECOND = Digest.of(FIRST), Digest.of(SECOND)
NEW = Precondition.parse(None, "*")
OLD = Precondition.parse(f'"{OF_FIRST}"', None)
LINK = Layout().tag_link("a", "v1")


async def push_both(registry: StoredRegistry) -> None:
    await push_image(registry, "a", "first", [b"first"])
    await push_image(registry, "a", "second", [b"second"])


async def push(
    registry: StoredRegistry, content: bytes, precondition: Precondition | None = None
) -> None:
    await registry.push_manifest("a", parse_manifest(content), ["v1"], precondition)


async def target(registry: StoredRegistry) -> Digest:
    return (await registry.resolve_manifest("a", "v1")).digest


class Overtaken(CountingStore):
    """Another push moves the tag just before this one does."""

    def __init__(self, memory: MemoryStore, other: StoredRegistry) -> None:
        super().__init__(memory)
        self.memory, self.other = memory, other

    async def put(self, path: str, *args: Any, **options: Any) -> str:
        if path == LINK and self.other is not None:
            other, self.other = self.other, None  # type: ignore[assignment]
            await push(other, SECOND)
        return await super().put(path, *args, **options)


async def test_a_precondition_holds_when_the_tag_is_written(memory: MemoryStore) -> None:
    other = StoredRegistry(memory)
    await push_both(other)
    await push(other, FIRST)
    for precondition in (OLD, NEW):
        await push(other, FIRST) if precondition is OLD else await other.delete_tag("a", "v1")
        with pytest.raises(PreconditionFailed):
            await push(StoredRegistry(Overtaken(memory, other)), FIRST, precondition)
        assert await target(other) == OF_SECOND


async def test_a_precondition_that_does_not_hold_any_more_leaves_all_tags(
    memory: MemoryStore,
) -> None:
    other = StoredRegistry(memory)
    await push_both(other)
    await push(other, FIRST)
    overtaken = StoredRegistry(Overtaken(memory, other))
    with pytest.raises(PreconditionFailed):
        await overtaken.push_manifest("a", parse_manifest(FIRST), ["v1", "second"], OLD)
    assert (await other.resolve_manifest("a", "second")).digest == OF_SECOND


class OvertakenDeletion(CountingStore):
    """A push moves the tag just before a deletion deletes it."""

    def __init__(self, memory: MemoryStore, other: StoredRegistry) -> None:
        super().__init__(memory)
        self.other = other

    async def delete(self, path: str, *args: Any, **options: Any) -> None:
        if path == LINK:
            await push(self.other, SECOND, OLD)
        await super().delete(path, *args, **options)


async def test_a_tag_that_is_moved_while_it_is_deleted_on_condition_stays(
    memory: MemoryStore,
) -> None:
    """The deletion is refused, as the push may have had the same condition."""
    other = StoredRegistry(memory)
    await push_both(other)
    await push(other, FIRST)
    with pytest.raises(PreconditionFailed):
        await StoredRegistry(OvertakenDeletion(memory, other)).delete_tag("a", "v1", OLD)
    assert await target(other) == OF_SECOND


async def test_without_a_precondition_the_last_writer_wins(memory: MemoryStore) -> None:
    other = StoredRegistry(memory)
    await push_both(other)
    await push(StoredRegistry(Overtaken(memory, other)), FIRST)
    assert await target(other) == OF_FIRST


async def test_a_put_that_arrives_late_moves_nothing_back(memory: MemoryStore) -> None:
    """It was answered to nobody, and held up on its way; a newer push was acknowledged."""
    registry = StoredRegistry(memory)
    await push_both(registry)
    await push(registry, FIRST)
    held: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    class Held(CountingStore):
        async def put(self, path: str, *args: Any, **options: Any) -> str:
            if path == LINK:
                held.append(((path, *args), options))
                raise TimeoutError
            return await super().put(path, *args, **options)

    with pytest.raises(asyncio.TimeoutError):
        await push(StoredRegistry(Held(memory)), FIRST)
    await push(registry, SECOND)
    (args, options) = held[0]
    with pytest.raises(ConditionFailed):
        await memory.put(*args, **options)
    assert await target(registry) == OF_SECOND


async def test_of_many_concurrent_pushes_all_succeed_and_one_is_the_last(
    memory: MemoryStore,
) -> None:
    """Each writes over what it has seen, and looks again where it was overtaken."""
    registry = StoredRegistry(memory)
    contents = [image_manifest(b"first", annotations={"n": f"{n}"}) for n in range(24)]
    await push_both(registry)

    class Yielding(CountingStore):
        async def put(self, *args: Any, **options: Any) -> str:
            await asyncio.sleep(0)
            return await super().put(*args, **options)

    await asyncio.gather(*(push(StoredRegistry(Yielding(memory)), each) for each in contents))
    assert await target(registry) in map(Digest.of, contents)
