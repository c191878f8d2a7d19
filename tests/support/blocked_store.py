"""A memory store whose conditional writes meet objects that nobody can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry_core.object_store.errors import ConditionFailed
from registry_core.object_store.interface import UNCONDITIONAL, Buffer, Condition, Properties
from registry_core.object_store.memory import MemoryStore


@dataclass
class BlockedStore(MemoryStore):
    """Where blocks are staged, a put or a copy that must find nothing fails, as in Azurite.

    Likewise any write to the paths in ``under_way``: another client's put is being received there.
    It arrives after as many looks as the path's number says, with the content in ``arriving``.
    """

    under_way: dict[str, int] = field(default_factory=dict)
    arriving: dict[str, bytes] = field(default_factory=dict)

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        self._check_blocked(path, condition)
        return await super().put(path, content, metadata=metadata, condition=condition)

    async def copy(
        self,
        path: str,
        source: str,
        *,
        size: int,
        metadata: Mapping[str, str],
        source_etag: str | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        self._check_blocked(path, condition)
        return await super().copy(
            path,
            source,
            size=size,
            metadata=metadata,
            source_etag=source_etag,
            condition=condition,
        )

    def _check(self, path: str, condition: Condition) -> None:
        super()._check(path, condition)
        if condition.if_absent and path in self.under_way:
            raise ConditionFailed(path)

    def _check_blocked(self, path: str, condition: Condition) -> None:
        if condition.if_absent and self.staged.get(path):
            raise ConditionFailed(path)

    async def head(self, path: str) -> Properties:
        if path in self.under_way:
            self.under_way[path] -= 1
            if self.under_way[path] == 0:
                del self.under_way[path]
                await self.put(path, self.arriving[path])
        return await super().head(path)
