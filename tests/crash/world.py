"""A memory store that can be set back, compared and looked into.

The same writes leave the same state behind, ETags and times included. What a run writes all has one
time, as on storage, which tells times by the second; what was there before is older.
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
    """All that a store holds at one moment. ``key``: equal for two that nothing can tell apart."""

    objects: Mapping[str, _Object]
    staged: Mapping[str, Mapping[str, bytes]]
    writes: Mapping[str, int]
    marks: Mapping[str, int]
    key: Hashable


@dataclass
class World(MemoryStore):
    """``writes`` counts those of each path, and makes the ETags: no two versions share one.

    ``marks``: a number for each object, the same for those that nothing can tell apart.
    """

    writes: dict[str, int] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    second: int = 0

    def save(self) -> State:
        staged = {path: dict(blocks) for path, blocks in self.staged.items() if blocks}
        objects = frozenset(self.marks[path] for path in self.objects)
        blocks = frozenset((path, *sorted(blocks.items())) for path, blocks in staged.items())
        key = (objects, blocks, frozenset(self.writes.items()))
        return State(dict(self.objects), staged, dict(self.writes), dict(self.marks), key)

    @classmethod
    def of(cls, state: State) -> World:
        staged = {path: dict(blocks) for path, blocks in state.staged.items()}
        return cls(dict(state.objects), staged, writes=dict(state.writes), marks=dict(state.marks))

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
    """The same for equal things, and quicker to compare."""
    return known.setdefault(thing, len(known))


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing, such as a memory store's."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("it waits for something")


def _fingerprint(found: _Object) -> Hashable:
    told = found.properties
    metadata = tuple(sorted(told.metadata.items()))
    return told.etag, told.last_modified, told.is_append, metadata, tuple(found.blocks.items())
