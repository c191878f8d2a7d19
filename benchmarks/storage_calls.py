"""`python -m benchmarks.storage_calls`: CPU per storage call of our client, the SDK and aiohttp.

The clients run in this process, which is measured; Azurite is another one.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry_core.object_store.interface import BLOCK_ID_LENGTH
from registry_core.serve.azurite import Azurite, AzuriteError

from .content import MANIFEST_TYPE
from .heartbeat import Gaps, Heartbeat
from .hosts import new_storage
from .scale import KIB, MIB
from .sheet import Row, Sheet
from .storage import BareStorage
from .storage_clients import Bare, Ours, Sdk, StorageClient

GROUP = "CPU of the client per storage call"
GAPS = "Longest gap of the event loop"
OURS, SDK, BARE = "ours", "SDK", "bare aiohttp"
_METADATA = {
    "digest": f"sha256:{'0' * 64}",
    "mediatype": MANIFEST_TYPE,
    "size": "1234",
    "pushed": "1764201600",
}
_IDLE_SECONDS = 0.2
_BLOCK = "block".ljust(BLOCK_ID_LENGTH, "0")


@dataclass(frozen=True)
class Scale:
    """How many calls of each kind make a sample, of which the medians are shown."""

    rounds: int = 5
    small: int = 150
    listings: int = 30
    large_listings: int = 1
    stages: int = 15
    batches: int = 3
    rows: int = 200
    many_rows: int = 5000


QUICK = Scale(
    rounds=1, small=5, listings=2, large_listings=1, stages=2, batches=1, rows=20, many_rows=100
)

Call = Callable[[StorageClient, int], Awaitable[object]]
"""Makes the call of a number within its sample."""


@dataclass(frozen=True)
class Operation:
    """A kind of call, and how many make a sample."""

    name: str
    call: Call
    count: int
    prepare: Callable[[int], None] = lambda _count: None
    """Prepares so many calls, before they are measured."""
    skips: Sequence[str] = ()
    """The clients that cannot make it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when measuring failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage_calls", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few calls: a smoke test")
    scale = QUICK if parser.parse_args(arguments).quick else Scale()
    try:
        with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder)) as azurite:
            settings, storage = new_storage(azurite)
            container = settings["REGISTRY_STORAGE_AZURE_CONTAINER"]
            print(asyncio.run(_measure(azurite.connection_string, container, storage, scale)))
    except (AzuriteError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


async def _measure(
    connection_string: str, container: str, storage: BareStorage, scale: Scale
) -> str:
    _put_rows(storage, "few", scale.rows)
    _put_rows(storage, "many", scale.many_rows)
    storage.put("small", bytes(KIB))
    storage.put("metadata", b"")
    clients: Mapping[str, StorageClient] = {
        OURS: Ours(connection_string, container),
        SDK: Sdk(connection_string, container),
        BARE: Bare(connection_string, container),
    }
    sheet = Sheet(list(clients), ratios=[(OURS, SDK), (OURS, BARE)])
    try:
        for operation in _operations(storage, scale):
            await _compare(sheet, clients, operation, scale.rounds)
        await _find_gaps(sheet, clients, scale)
    finally:
        for client in clients.values():
            await client.close()
    return sheet.markdown()


async def _compare(
    sheet: Sheet, clients: Mapping[str, StorageClient], operation: Operation, rounds: int
) -> None:
    """Add samples of each client in turns; the first round is not counted."""
    row = Row(GROUP, operation.name, "ms")
    for number in range(rounds + 1):
        for name, client in clients.items():
            if name in operation.skips:
                continue
            operation.prepare(operation.count)
            gc.collect()
            before = time.process_time()
            for index in range(operation.count):
                await operation.call(client, index)
            spent = time.process_time() - before
            if number:
                sheet.add(row, name, 1000 * spent / operation.count)


async def _find_gaps(sheet: Sheet, clients: Mapping[str, StorageClient], scale: Scale) -> None:
    """Add the gaps of the loop while it idles, and while each client lists many rows."""

    async def idle(_client: StorageClient) -> None:
        await asyncio.sleep(_IDLE_SECONDS)

    async def list_rows(client: StorageClient) -> None:
        await client.list_rows("many/")

    actions = {"idle": idle, f"{scale.many_rows} rows with metadata": list_rows}
    for what, action in actions.items():
        for number in range(scale.rounds + 1):
            for name, client in clients.items():
                gaps = await _gaps(action(client))
                if number:
                    _add_gaps(sheet, what, name, gaps)


async def _gaps(action: Awaitable[object]) -> Gaps:
    gc.collect()
    heart = Heartbeat()
    heart.start()
    await action
    return heart.stop()


def _add_gaps(sheet: Sheet, what: str, name: str, gaps: Gaps) -> None:
    sheet.add(Row(GAPS, what, "ms"), name, gaps.longest)
    sheet.add(Row(GAPS, f"{what}, without waiting for a CPU", "ms"), name, gaps.held)
    sheet.add(Row(GAPS, f"{what}, computed in one go", "ms"), name, gaps.computed)


def _put_rows(storage: BareStorage, prefix: str, count: int) -> None:
    storage.put_all(
        (f"{prefix}/{number:06}/current/link", b"", _METADATA) for number in range(count)
    )


def _batched(number: int, size: int) -> Sequence[str]:
    """Return the names of what a batch deletes."""
    return [f"batch/{number}/{index}" for index in range(size)]


def _operations(storage: BareStorage, scale: Scale) -> Sequence[Operation]:
    small, block = bytes(KIB), bytes(4 * MIB)

    def put_deletable(count: int) -> None:
        storage.put_all((f"delete/{number}", b"", {}) for number in range(count))

    def put_batches(count: int) -> None:
        names = (_batched(number, scale.rows) for number in range(count))
        storage.put_all((name, b"", {}) for each in names for name in each)

    def stage_one(_count: int) -> None:
        storage.stage("commit", _BLOCK, small)

    return [
        Operation("HEAD", lambda c, _: c.head("small"), scale.small),
        Operation("GET of 1 KiB", lambda c, _: c.get("small", KIB), scale.small),
        Operation("PUT of 1 KiB", lambda c, n: c.put(f"put/{n}", small, _METADATA), scale.small),
        Operation("set metadata", lambda c, _: c.set_metadata("metadata", _METADATA), scale.small),
        Operation("DELETE", lambda c, n: c.delete(f"delete/{n}"), scale.small, put_deletable),
        Operation(
            f"delete {scale.rows} in a batch",
            lambda c, n: c.delete_many(_batched(n, scale.rows)),
            scale.batches,
            put_batches,
            [BARE],
        ),
        Operation(f"list {scale.rows} rows", lambda c, _: c.list_rows("few/"), scale.listings),
        Operation(
            f"list {scale.many_rows} rows", lambda c, _: c.list_rows("many/"), scale.large_listings
        ),
        Operation("stage 4 MiB", lambda c, _: c.stage("stage", _BLOCK, block), scale.stages),
        Operation(
            "commit", lambda c, _: c.commit("commit", _BLOCK, _METADATA), scale.small, stage_one
        ),
        Operation(
            "copy of 1 KiB",
            lambda c, n: c.copy(f"copy/{n}", "small", KIB, _METADATA),
            scale.small,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
