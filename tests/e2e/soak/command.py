"""`python -m tests.e2e.soak.command gc`: the command, with a shorter grace than settings permit.

SOAK_OPTIONS is as for `tests.e2e.soak.collector`. A run is saved at every opportunity. With
SOAK_KILLED_AFTER, the process kills itself when storage has answered so many writes, before the
command learns of the last. They count from the first write to a path that contains
SOAK_KILLED_FROM.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from unittest.mock import patch

from registry_core import app, jobs
from registry_core.cli.main import main
from registry_core.config import Settings
from registry_core.maintenance.gc import GcOptions
from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.interface import UNCONDITIONAL, Buffer, Condition
from tests.e2e.soak.collector import Graces


class MortalStore(AzureBlobStore):
    """A store that kills the process after a number of writes."""

    remaining = int(os.environ.get("SOAK_KILLED_AFTER", "0"))
    begins = os.environ.get("SOAK_KILLED_FROM", "")

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        etag = await super().put(path, content, metadata=metadata, condition=condition)
        self._count(path)
        return etag

    async def set_metadata(
        self, path: str, metadata: Mapping[str, str], *, condition: Condition = UNCONDITIONAL
    ) -> str:
        etag = await super().set_metadata(path, metadata, condition=condition)
        self._count(path)
        return etag

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        await super().delete(path, condition=condition)
        self._count(path)

    async def delete_batch(self, items: Sequence[tuple[str, Condition]]) -> Sequence[bool]:
        deleted = await super().delete_batch(items)
        self._count(*(path for path, _ in items))
        return deleted

    def _count(self, *paths: str) -> None:
        if any(self.begins in path for path in paths):
            MortalStore.begins = ""
        if self.begins:
            return
        MortalStore.remaining -= 1
        if MortalStore.remaining == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _options(_settings: Settings, *, dry_run: bool = False) -> GcOptions:
    assert not dry_run
    return Graces.from_json(os.environ["SOAK_OPTIONS"]).options()


if __name__ == "__main__":
    with (
        patch.object(jobs, "gc_options", _options),
        patch.object(app, "AzureBlobStore", MortalStore),
        patch("registry_core.maintenance.gc.run._SAVED_EVERY", 0.0),
    ):
        sys.exit(main())
