"""A soak: clients push, mount, delete and pull while a collector runs and is killed.

    report = soak(azurite, container, clients, folder, seconds=60)

Every client keeps a ledger of what was acknowledged, and pulls from it all along. When the clients
have stopped, all of it must pull; collections run until nothing is condemned any more, and then the
container must have exactly what the ledgers have.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from registry_core.serve.azurite import Azurite
from tests.e2e.clients import ImageClient
from tests.e2e.soak.collector import Graces, run_once
from tests.e2e.soak.ledger import Holding, expected_manifests
from tests.e2e.soak.pool import make_images, write_index_layout, write_layout
from tests.e2e.soak.processes import Collector, instances
from tests.e2e.soak.stored import Stored, look_at
from tests.e2e.soak.wire import Wire
from tests.e2e.soak.workers import HttpWorker, ImageWorker, Worker, work_until
from tests.support.azurite import opened
from tests.support.host import RunningHost

_SECRET = {"REGISTRY_HTTP_SECRET": "the same secret for both, long enough"}
_SHARED = ("shared/kept", "shared/expiring")
_LAST_RUNS = 60
_LONGEST_BETWEEN_KILLS = 10.0

RULES = """
[[expire]]
on = ["**/expiring"]
untagged = true
after = "3s"
"""


@dataclass(frozen=True)
class Plan:
    """A soak. ``grace`` is G in seconds; ``blind`` lets the registry take no mark off."""

    seconds: float
    grace: float = 20.0
    seed: int = 1
    blind: bool = False
    kills: bool = True
    http_clients: int = 5


@dataclass
class SoakReport:
    """What happened."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    before: Stored = field(default_factory=Stored)
    after: Stored = field(default_factory=Stored)

    def __str__(self) -> str:
        lines = [f"{count:7} {what}" for what, count in sorted(self.counts.items())]
        sizes = (
            f"when the clients stopped {self.before.objects} objects, {self.before.size} bytes of "
            f"content, {len(self.before.condemned)} condemned; after the last collection "
            f"{self.after.objects} objects, {self.after.size} bytes"
        )
        return "\n".join((*lines, f"slowest request {self.slowest:.1f} s", sizes))


def soak(
    azurite: Azurite,
    container: str,
    clients: Mapping[str, ImageClient],
    folder: Path,
    plan: Plan,
) -> SoakReport:
    """Run a soak in an empty container.

    :param clients: real clients, by names that are their repositories' as well.
    :raises Lost: something that was acknowledged is gone, or is not what it was.
    :raises AssertionError: garbage is left, or something failed that must not.
    """
    environment = settings(azurite, container)
    graces = Graces(grace=plan.grace, young=2, uploads=plan.grace, trash=3, rules=RULES)
    report = SoakReport()
    with ExitStack() as stack:
        hosts = stack.enter_context(
            instances(environment, relied_on=plan.grace / 2, blind=plan.blind)
        )
        workers = _workers(hosts, clients, folder, plan)
        for worker in workers:
            stack.enter_context(worker.wire)
        try:
            with Collector(environment, graces, folder / "collector.log") as collector:
                _work(workers, collector, plan)
            report.before = look_at(azurite, container)
            _pull_everything(workers)
            last = replace(graces, grace=1, young=0, uploads=1, trash=0)
            runs = asyncio.run(collect_all(azurite, container, last))
            _pull_everything(workers)
        finally:
            _count(report, workers, hosts, collector)
        report.counts["runs at the end"] = runs
        report.after = look_at(azurite, container)
        check_exact(report.after, [h for worker in workers for h in worker.holdings])
    return report


def settings(azurite: Azurite, container: str) -> dict[str, str]:
    """Return the settings of instances and collectors over a container."""
    return {
        **_SECRET,
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container,
    }


def _workers(
    hosts: Sequence[RunningHost], clients: Mapping[str, ImageClient], folder: Path, plan: Plan
) -> list[Worker]:
    authorities = [f"127.0.0.1:{host.port}" for host in hosts]
    images = make_images(plan.seed)
    names = [f"http{number}" for number in range(plan.http_clients)]
    everywhere = [*_SHARED, *(f"{name}/{kind}" for name in names for kind in ("kept", "expiring"))]
    layouts = [
        *(write_layout(folder / f"image{n}", image) for n, image in enumerate(images[1:6])),
        write_index_layout(folder / "index", images[4:6]),
    ]
    workers: list[Worker] = []
    for number, name in enumerate((*names, *clients)):
        wire = Wire(authorities, random.Random(plan.seed * 1000 + number))
        holdings = [Holding(f"{name}/kept", True), Holding(f"{name}/expiring", False)]
        chance = random.Random(plan.seed * 1000 + 500 + number)
        if client := clients.get(name):
            # docker pushes one platform of an index, and has no OCI layouts.
            own = layouts[:-1] if name.startswith("docker") else layouts
            workers.append(ImageWorker(name, wire, holdings, client, own, chance))
        else:
            holdings += [Holding(_SHARED[0], True), Holding(_SHARED[1], False)]
            slow = plan.grace * 1.2
            workers.append(HttpWorker(name, wire, holdings, images, everywhere, chance, slow))
    return workers


def _work(workers: Sequence[Worker], collector: Collector, plan: Plan) -> None:
    """Let everybody work for the time of the plan, or until something fails."""
    stopped = threading.Event()
    with ThreadPoolExecutor(len(workers) + 1) as pool:
        working = [pool.submit(work_until, worker, stopped) for worker in workers]
        if plan.kills:
            chance = random.Random(plan.seed)
            working.append(
                pool.submit(collector.kill_until, stopped, chance, _LONGEST_BETWEEN_KILLS)
            )
        stopped.wait(plan.seconds)
        stopped.set()
    for future in working:
        future.result()


def _pull_everything(workers: Sequence[Worker]) -> None:
    """:raises Lost: something that was acknowledged does not pull."""

    def pull(worker: Worker) -> None:
        for holding in worker.holdings:
            for tag, digest in holding.tags.items():
                worker.wire.pull(holding.repository, tag, digest)
            for digest in holding.kept():
                worker.wire.pull(holding.repository, digest, digest)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(pull, workers):
            pass


async def collect_all(azurite: Azurite, container: str, graces: Graces) -> int:
    """Collect until nothing changes and nothing is condemned. Returns the number of runs."""
    async with opened(azurite, container) as store:
        before: set[str] = set()
        for number in range(1, _LAST_RUNS + 1):
            report = await run_once(store, graces)
            stays = (*report.opaque.items(), report.unswept, report.content_kept)
            assert not any(stays), stays
            found = await asyncio.to_thread(look_at, azurite, container)
            if found.paths == before and not found.condemned:
                return number
            before = found.paths
            await asyncio.sleep(graces.grace)
    raise AssertionError(f"still changing after {_LAST_RUNS} runs; condemned: {found.condemned}")


def check_exact(stored: Stored, holdings: Sequence[Holding]) -> None:
    """Check that the container has what the ledgers have and what that leads to, nothing else."""
    wrong = []
    for repository, expected in expected_manifests(holdings).items():
        there = {*stored.revisions.get(repository, ())}
        keeps = any(h.repository == repository and h.keeps_untagged for h in holdings)
        wanted = expected if keeps else expected | stored.live(repository)
        if there != wanted:
            wrong.append(f"{repository}: manifests left {there - wanted}, missing {wanted - there}")
    expected_names = {*expected_manifests(holdings)}
    if {*stored.revisions} - expected_names:
        wrong.append(f"repositories left: {[*stored.revisions]}, expected {expected_names}")
    if stored.markers != {*stored.revisions}:
        wrong.append(f"markers: {stored.markers}, repositories: {[*stored.revisions]}")
    for repository, layers in stored.layers.items():
        if left := layers - (
            stored.named_in(repository) if repository in stored.revisions else set()
        ):
            wrong.append(f"{repository}: blobs left {left}")
    linked = {digest for manifests in stored.revisions.values() for digest in manifests}.union(
        *stored.layers.values()
    )
    if stored.contents != linked:
        wrong.append(f"content left {stored.contents - linked}, missing {linked - stored.contents}")
    if stored.work:
        wrong.append(f"left {stored.work}")
    assert not wrong, "\n".join(wrong)


def _count(
    report: SoakReport,
    workers: Sequence[Worker],
    hosts: Sequence[RunningHost],
    collector: Collector,
) -> None:
    for worker in workers:
        report.counts.update(worker.wire.counts)
        report.slowest = max(report.slowest, worker.wire.slowest)
    report.counts.update(_sums(collector.acts()))
    report.counts["pardoned by writers"] = sum(
        line.startswith("pardoned ") for host in hosts for line in host.log().splitlines()
    )
    report.counts["kills"] = collector.kills


def _sums(acts: Counter[str]) -> dict[str, int]:
    words: dict[str, str] = {
        "condemned": "condemned",
        "pardoned": "pardoned by the collector",
        "deleted": "deleted by the collector",
        "run": "runs that were not cut off",
    }
    return {text: acts[word] for word, text in words.items()}
