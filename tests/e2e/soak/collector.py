"""`python -m tests.e2e.soak.collector`: collections of garbage one after the other, of short grace.

Settings do not permit a grace of seconds; `GcOptions` does. SOAK_OPTIONS is a JSON object: see
`Graces`. Each act is a line on standard output when storage has confirmed it, "condemned PATH" or
"deleted PATH", and each run that was not cut off "run" and its report. So what a collector did that
is killed is known nevertheless.

SOAK_HOLD is a path: while a folder is there, deletions of layer links wait, in a run that has
listed them before. The first one prints "held".
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from registry_core.maintenance.gc import GcOptions, GcReport, collect
from registry_core.maintenance.retention.policy import RetentionPolicy
from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.interface import UNCONDITIONAL, Condition
from registry_core.storage.condemnation import CONDEMNED
from registry_core.storage.layout import Layout

_BETWEEN_SECONDS = 0.2


@dataclass(frozen=True)
class Graces:
    """Times of a collection, in seconds. ``rules`` are those of retention, as TOML."""

    grace: float
    young: float
    uploads: float
    trash: float
    rules: str

    def options(self) -> GcOptions:
        return GcOptions(
            grace=timedelta(seconds=self.grace),
            young=timedelta(seconds=self.young),
            upload_age=timedelta(seconds=self.uploads),
            trash_age=timedelta(seconds=self.trash),
            shared=False,
            policy=RetentionPolicy.parse(self.rules),
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


class NotingStore(AzureBlobStore):
    """A store that prints what was condemned and deleted, and holds deletions back."""

    async def set_metadata(
        self, path: str, metadata: Mapping[str, str], *, condition: Condition = UNCONDITIONAL
    ) -> str:
        etag = await super().set_metadata(path, metadata, condition=condition)
        _note("condemned" if CONDEMNED in metadata else "pardoned", path)
        return etag

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        await _release(path)
        await super().delete(path, condition=condition)
        _note("deleted", path)

    async def delete_batch(self, items: Sequence[tuple[str, Condition]]) -> Sequence[bool]:
        await _release(*(path for path, _ in items))
        deleted = await super().delete_batch(items)
        for (path, _), is_deleted in zip(items, deleted, strict=True):
            if is_deleted:
                _note("deleted", path)
        return deleted


async def _release(*paths: str) -> None:
    """Wait until these paths may be deleted."""
    hold = Path(os.environ.get("SOAK_HOLD", "/nonexistent"))
    if not any("/_layers/" in path for path in paths):
        return
    if hold.exists():
        _note("held", str(hold))
    while hold.exists():  # noqa: ASYNC110 - another process removes it
        await asyncio.sleep(0.02)


def _note(word: str, text: str) -> None:
    sys.stdout.write(f"{word} {text}\n")
    sys.stdout.flush()


async def run_once(store: AzureBlobStore, graces: Graces) -> GcReport:
    """Collect garbage once, in a container whose names have no slash before them."""
    return await collect(store, Layout(), graces.options(), on_progress=lambda _: None)


async def _run() -> None:
    graces = Graces.from_json(os.environ["SOAK_OPTIONS"])
    store = NotingStore.from_connection_string(
        os.environ["REGISTRY_STORAGE_AZURE_CONNECTIONSTRING"],
        os.environ["REGISTRY_STORAGE_AZURE_CONTAINER"],
    )
    while True:
        report = await run_once(store, graces)
        _note("run", json.dumps(report.to_json()))
        await asyncio.sleep(_BETWEEN_SECONDS)


if __name__ == "__main__":
    asyncio.run(_run())
