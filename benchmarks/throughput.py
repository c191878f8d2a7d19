"""Throughput of one large blob, pushed and pulled over one connection."""

from __future__ import annotations

from functools import partial

from .content import Content, new_content
from .registry_client import RegistryClient
from .run import Registry, Run, Timing, timed
from .scale import MIB, size_text
from .sheet import Row
from .storage import BareStorage, blocks_of, new_blob_name

GROUP = "Throughput (more is better)"
CPU_GROUP = "CPU of the registry for one large blob (less is better)"

PATCH, PUT = "push by PATCH", "push by PUT"
REDIRECTED, STREAMED = "pull, redirected", "pull, streamed"


def measure(run: Run) -> None:
    """Measure each registry in turn, then bare storage, round by round."""
    for _ in range(run.scale.rounds):
        for registry in run.registries:
            run.attempt(registry.name, "throughput", partial(_registry, run, registry))
        if run.storage:
            storage = run.storage
            run.attempt(storage.name, "throughput", partial(_bare, run, storage))


def _registry(run: Run, registry: Registry) -> None:
    repository = f"{run.namespace}/throughput"
    content = new_content(run.scale.layer)
    with RegistryClient(registry.url, repository) as client:
        timing = timed(lambda: client.push_by_patch(content), registry.meter())
    _add(run, registry.name, PATCH, timing)
    content = new_content(run.scale.layer)
    with RegistryClient(registry.url, repository) as client:
        timing = timed(lambda: client.push_by_put(content), registry.meter())
    _add(run, registry.name, PUT, timing)
    _pull(run, registry, repository, content)
    if registry.streaming_url:
        _pull(run, _streaming(registry, registry.streaming_url), repository, content)


def _streaming(registry: Registry, url: str) -> Registry:
    return Registry(registry.name, url, registry.streaming_pid)


def _pull(run: Run, registry: Registry, repository: str, content: Content) -> None:
    redirected = False

    def pull() -> None:
        nonlocal redirected
        redirected = client.pull_blob(content)

    with RegistryClient(registry.url, repository) as client:
        timing = timed(pull, registry.meter())
    _add(run, registry.name, REDIRECTED if redirected else STREAMED, timing)


def _bare(run: Run, storage: BareStorage) -> None:
    content, blob = new_content(run.scale.layer), new_blob_name()
    blocks = blocks_of(content)
    timing = timed(lambda: storage.put_blocks(blob, blocks))
    for name in (PATCH, PUT):
        _add(run, storage.name, name, timing)
    timing = timed(lambda: storage.get(blob, content.size))
    for name in (REDIRECTED, STREAMED):
        if _row(run, name) in run.sheet.samples:
            _add(run, storage.name, name, timing)


def _add(run: Run, column: str, name: str, timing: Timing) -> None:
    run.sheet.add(_row(run, name), column, run.scale.layer / MIB / timing.seconds)
    if timing.cpu_seconds is not None:
        row = Row(CPU_GROUP, f"{size_text(run.scale.layer)} {name}", "s")
        run.sheet.add(row, column, timing.cpu_seconds)


def _row(run: Run, name: str) -> Row:
    return Row(GROUP, f"{size_text(run.scale.layer)} {name}", "MiB/s")
