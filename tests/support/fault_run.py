"""Pushes and pulls over storage with faults: nothing acknowledged may be lost.

`python -m tests.support.fault_run --operations 5000 --share 0.05 --seed 7` is the long run.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.errors import StoreUnavailable
from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from registry_core.spec.digest import Digest
from tests.support.azurite import create_container, opened
from tests.support.content import CONFIG
from tests.support.faults import FaultyStorage, faulty_storage, sometimes
from tests.support.operations import Client, Unavailable, new_layer, registry_over

LIMITS = Limits(retries=1, silence=2, batch=2, first_delay=0.01, total=20)
_WORKERS, _TAGS, _MAX_ATTEMPTS = 6, 8, 20
_SMALL, _LARGE = 4000, 9 * 2**20  # the latter: two blocks


@dataclass
class FaultReport:
    """What was done. ``acknowledged`` pushes are in order; ``lost`` describes what was lost."""

    done: Counter[str] = field(default_factory=Counter)
    acknowledged: list[tuple[str, str, bytes, bytes]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    storage: FaultyStorage | None = None

    def __str__(self) -> str:
        injected = self.storage.injected if self.storage else Counter()
        requests = len(self.storage.requests) if self.storage else 0
        lines = [
            f"{self.done['push']} pushes, {self.done['pull']} pulls",
            f"{self.done['503']} answers of 503, {self.done['repeat']} operations repeated",
            f"{injected.total()} faults in {requests} storage calls",
            *(f"  {count:5} {fault.value}" for fault, count in injected.most_common()),
            f"{len(self.acknowledged)} acknowledged pushes, {len(self.lost)} lost",
        ]
        return "\n".join((*lines, *self.lost))


async def fault_run(
    azurite: Azurite,
    container: str,
    *,
    operations: int,
    share: float,
    seed: int,
    kind: type[AzureBlobStore] = AzureBlobStore,
    limits: Limits = LIMITS,
) -> FaultReport:
    """Push and pull concurrently while storage fails for a ``share`` of its requests.

    In the end a new registry without faults pulls everything that was acknowledged.
    """
    report = FaultReport()
    async with faulty_storage(azurite.port, sometimes(share, seed)) as report.storage:
        url = f"http://127.0.0.1:{report.storage.port}/{ACCOUNT}"
        store = kind.from_key(url, container, ACCOUNT, KEY, limits=limits)
        try:
            async with registry_over(store) as http, asyncio.TaskGroup() as group:
                for worker in range(_WORKERS):
                    count = len(range(worker, operations, _WORKERS))
                    chance = random.Random(seed * 100 + worker)
                    group.create_task(_work(http, worker, count, chance, report))
        finally:
            await store.close()
    async with opened(azurite, container) as store, registry_over(store) as http:
        await _verify(http, report)
    return report


async def _work(
    http: httpx.AsyncClient, worker: int, count: int, chance: random.Random, report: FaultReport
) -> None:
    repository = f"faults/{worker}"
    tags: dict[str, Client] = {}
    for number in range(count):
        if not tags or chance.random() < 0.5:
            size = _LARGE if number % 50 == 5 * worker else _SMALL
            client = Client(http, repository, new_layer(size))
            tag = f"v{chance.randrange(_TAGS)}"
            by_patch = chance.random() < 0.5
            try:
                await _until_done(partial(_push, client, tag, by_patch=by_patch), report)
            except AssertionError as error:  # a blob that was acknowledged is refused as missing
                report.lost.append(f"{repository}:{tag} while pushing: {error}")
                continue
            report.done["push"] += 1
            report.acknowledged.append((repository, tag, client.manifest, client.layer))
            tags[tag] = client
        else:
            tag, client = chance.choice(sorted(tags.items()))
            try:
                await _until_done(partial(_pull, client, tag), report)
            except AssertionError as error:
                report.lost.append(f"{repository}:{tag} while running: {error}")
            report.done["pull"] += 1


async def _push(client: Client, tag: str, *, by_patch: bool) -> None:
    push = client.patch_blob if by_patch else client.put_blob
    for content in (CONFIG, client.layer):
        await push(content)
    await client.put_manifest(tag, client.manifest)


async def _pull(client: Client, reference: str) -> None:
    await client.pull(reference, client.manifest, CONFIG, client.layer)


async def _until_done(operation: Callable[[], Awaitable[None]], report: FaultReport) -> None:
    for attempt in range(_MAX_ATTEMPTS):
        try:
            await operation()
        except (Unavailable, StoreUnavailable):  # the latter: a truncated answer
            report.done["503"] += 1
            report.done["repeat"] += attempt == 0
        else:
            return
    raise AssertionError(f"not done in {_MAX_ATTEMPTS} attempts")


async def _verify(http: httpx.AsyncClient, report: FaultReport) -> None:
    """Pull each push by its digest, and each tag as it was last pushed."""
    last = {(repository, tag): manifest for repository, tag, manifest, _ in report.acknowledged}
    for repository, tag, manifest, layer in report.acknowledged:
        client = Client(http, repository, layer)
        current = last[repository, tag] == manifest
        for reference in (str(Digest.of(manifest)), *([tag] if current else [])):
            try:
                await _pull(client, reference)
            except AssertionError as error:
                report.lost.append(f"{repository} {reference}: {str(error)[:200]}")


def main() -> int:
    """Run the command and print the report. Returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.fault_run", description=__doc__)
    parser.add_argument("--operations", type=int, default=5000)
    parser.add_argument("--share", type=float, default=0.05, help="share of requests with a fault")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder)) as azurite:
        container = create_container(azurite)
        report = asyncio.run(fault_run(azurite, container, **vars(given)))
    sys.stdout.write(f"{report}\n")
    return 1 if report.lost else 0


if __name__ == "__main__":
    sys.exit(main())
