"""The usage that the last finished run has found, kept in the container."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ...object_store.errors import NotFound, TooLarge
from ...object_store.interface import ObjectStore
from ...storage.layout import Layout
from .report import NOT_OURS, Usage

_VERSION = 1
_MAX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Summary:
    """The usage of a container, the run that found it, and when that began."""

    run: str
    started: datetime
    usage: Usage

    def to_json(self) -> Mapping[str, object]:
        """Return the summary as a JSON object."""
        return {
            "version": _VERSION,
            "run": self.run,
            "started": self.started.isoformat(),
            **self.usage.to_json(),
        }

    async def write(self, store: ObjectStore, layout: Layout) -> None:
        """Write the summary over an earlier one. One call."""
        content = await asyncio.to_thread(json.dumps, self.to_json(), separators=(",", ":"))
        await store.put(layout.gc_summary, content.encode())


async def read_summary(store: ObjectStore, layout: Layout) -> Summary | None:
    """Return the usage that the last finished run has found. One call.

    None if no run has finished, or if another version wrote it.
    """
    try:
        found = await store.get(layout.gc_summary, limit=_MAX_BYTES)
        document = await asyncio.to_thread(json.loads, found.content)
        if document["version"] != _VERSION:
            return None
        started = datetime.fromisoformat(document["started"])
        return Summary(document["run"], started, Usage.of_json(document))
    except (NotFound, TooLarge, *NOT_OURS):
        return None
