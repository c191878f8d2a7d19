"""Object stores for measurements of maintenance: a large one in memory, and one that counts."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import Any

from registry_core.object_store.interface import Entry, ObjectStore, Page
from registry_core.object_store.memory import MemoryStore

_WITHOUT_CALLS = {"close", "signed_url"}


@dataclass
class SortedStore(MemoryStore):
    """A memory store whose listings take time for their own page only, as storage's do.

    A plain one sorts all paths for each page.
    """

    _paths: list[str] = field(default_factory=list)
    _is_sorted: bool = False

    async def list_page(
        self,
        prefix: str,
        *,
        by_folder: bool = False,
        metadata: bool = False,
        uncommitted: bool = False,
        start_from: str | None = None,
        continuation: str | None = None,
        limit: int = 5000,
    ) -> Page:
        if by_folder:
            return await super().list_page(
                prefix,
                by_folder=True,
                metadata=metadata,
                uncommitted=uncommitted,
                start_from=start_from,
                continuation=continuation,
                limit=limit,
            )
        paths = self._sorted()
        first = bisect_left(paths, max(prefix, start_from or "", continuation or ""))
        entries: list[Entry] = []
        for path in islice(paths, first, None):
            if not path.startswith(prefix):
                break
            if len(entries) == limit:
                return Page(entries, path)
            if path in self.objects:
                entries.append(self._row(path, metadata=metadata))
        return Page(entries)

    def _sorted(self) -> list[str]:
        """Return all paths, perhaps some that are gone."""
        if not self._is_sorted:
            self._paths = sorted(self.objects)
            self._is_sorted = True
        return self._paths

    def _write(
        self,
        path: str,
        blocks: Mapping[str, bytes],
        metadata: Mapping[str, str] | None,
        *,
        is_append: bool = False,
    ) -> str:
        if path not in self.objects:
            self._is_sorted = False
        return super()._write(path, blocks, metadata, is_append=is_append)

    def age(self, time: timedelta) -> None:
        """Let time pass: everything in the store becomes older."""
        for path, found in self.objects.items():
            written = found.properties.last_modified - time
            properties = replace(found.properties, last_modified=written)
            self.objects[path] = replace(found, properties=properties)


@dataclass
class MeteredStore:
    """Passes every call to ``inner`` after ``latency`` seconds; ``calls`` counts them by method.

    ``items`` counts the objects of listings and batches.
    """

    inner: ObjectStore
    latency: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method: Callable[..., Awaitable[Any]] = getattr(self.inner, name)
        if name in _WITHOUT_CALLS:
            return method

        async def metered(*args: Any, **options: Any) -> Any:
            self.calls[name] += 1
            if self.latency:
                await asyncio.sleep(self.latency)
            answer = await method(*args, **options)
            if name == "list_page":
                self.items[name] += len(answer.entries)
            elif name == "delete_batch":
                self.items[name] += sum(answer)
            return answer

        return metered

    def take(self) -> tuple[Counter[str], Counter[str]]:
        """Return the calls and items since the last time."""
        taken = self.calls, self.items
        self.calls, self.items = Counter(), Counter()
        return taken
