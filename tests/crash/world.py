"""A memory store whose state can be saved, restored and compared.

The same writes leave the same state, ETags and times included. Everything that a run writes has one
time, since storage counts in seconds; what was there before is older.
"""

from __future__ import annotations

from collections.abc import Coroutine, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from registry_core.object_store.memory import MemoryStore, _Object

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """The whole content of a store at one moment. ``key`` is equal for states that are alike."""

    objects: Mapping[str, _Object]
    staged: Mapping[str, Mapping[str, bytes]]
    writes: Mapping[str, int]
    marks: Mapping[str, int]
    sparse_pages: bool
    key: Hashable


@dataclass
class World(MemoryStore):
    """``writes`` counts the writes of each path, and makes the ETags: no two versions share one.

    ``marks``: a number for each object, equal for objects that are alike.
    """

    writes: dict[str, int] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    second: int = 0

    def save(self) -> State:
        staged = {path: dict(blocks) for path, blocks in self.staged.items() if blocks}
        objects = frozenset(self.marks[path] for path in self.objects)
        blocks = frozenset((path, *sorted(blocks.items())) for path, blocks in staged.items())
        key = (objects, blocks, frozenset(self.writes.items()))
        return State(
            dict(self.objects), staged, dict(self.writes), dict(self.marks), self.sparse_pages, key
        )

    @classmethod
    def of(cls, state: State) -> World:
        staged = {path: dict(blocks) for path, blocks in state.staged.items()}
        return cls(
            dict(state.objects),
            staged,
            state.sparse_pages,
            writes=dict(state.writes),
            marks=dict(state.marks),
        )

    async def staging_url(self, path: str, *, seconds: int) -> str:
        return f"memory:/{path}?comp=block"

    def _write(
        self,
        path: str,
        blocks: Mapping[str, bytes],
        metadata: Mapping[str, str] | None,
        *,
        is_append: bool = False,
    ) -> str:
        super()._write(path, blocks, metadata, is_append=is_append)
        self.writes[path] = self.writes.get(path, 0) + 1
        written = self.objects[path]
        etag = f'"{self.writes[path]}"'
        time = datetime.fromtimestamp(self.second, UTC)
        properties = replace(written.properties, etag=etag, last_modified=time)
        self.objects[path] = replace(written, properties=properties)
        self.marks[path] = number_of((path, _fingerprint(self.objects[path])))
        return etag


def number_of(thing: Hashable, known: dict[Hashable, int] = {}) -> int:  # noqa: B006 - for all
    """Return a number that is the same for equal things, and faster to compare."""
    return known.setdefault(thing, len(known))


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never waits, such as a memory store's."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("the coroutine waits for something")


def _fingerprint(found: _Object) -> Hashable:
    properties = found.properties
    metadata = tuple(sorted(properties.metadata.items()))
    return (
        properties.etag,
        properties.last_modified,
        properties.is_append,
        metadata,
        tuple(found.blocks.items()),
    )
