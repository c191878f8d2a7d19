"""Peak memory of the serving process during pushes and pulls of large blobs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tools.process_meter import ProcessMeter

from .content import Content, new_content
from .registry_client import RegistryClient
from .run import Registry, Run
from .scale import MIB, size_text
from .sheet import Row

GROUP = "Peak memory of the registry (less is better)"
_PUSHES: dict[str, Callable[[RegistryClient, Content], None]] = {
    "PATCH": RegistryClient.push_by_patch,
    "PUT": RegistryClient.push_by_put,
}


def measure(run: Run) -> None:
    """Add the rows of every registry whose process is known."""
    for registry in run.registries:
        if registry.pid is None:
            continue
        meter = ProcessMeter(registry.pid)
        run.attempt(registry.name, "at rest", partial(_at_rest, run, registry, meter))
        for way in _PUSHES:
            run.attempt(registry.name, f"push by {way}", partial(_push, run, registry, meter, way))
        run.attempt(registry.name, "pull, streamed", partial(_pull, run, registry))
        for way in _PUSHES:
            at_once = partial(_pushes_at_once, run, registry, meter, way)
            run.attempt(registry.name, f"pushes at once by {way}", at_once)


def _at_rest(run: Run, registry: Registry, meter: ProcessMeter) -> None:
    run.add(Row(GROUP, "before", "MiB"), registry, meter.resident() / MIB)


def _push(run: Run, registry: Registry, meter: ProcessMeter, way: str) -> None:
    content = new_content(run.scale.large)
    with _client(run, registry.url) as client, meter.peak_memory() as peak:
        _PUSHES[way](client, content)
    _add(run, registry, f"push {size_text(content.size)} by {way}", peak.size)


def _pull(run: Run, registry: Registry) -> None:
    """Pull from the instance without redirects; add nothing if there is none."""
    url, pid = registry.streaming_url or registry.url, registry.pid
    if registry.streaming_url:
        pid = registry.streaming_pid
    if pid is None:
        return
    content = new_content(run.scale.large)
    with _client(run, registry.url) as client:
        client.push_by_put(content)
    with _client(run, url) as client, ProcessMeter(pid).peak_memory() as peak:
        redirected = client.pull_blob(content)
    if not redirected:
        _add(run, registry, f"pull {size_text(content.size)}, streamed", peak.size)


def _pushes_at_once(run: Run, registry: Registry, meter: ProcessMeter, way: str) -> None:
    contents = [new_content(run.scale.layer) for _ in range(run.scale.pushes_at_once)]

    def push(content: Content) -> None:
        with _client(run, registry.url) as client:
            _PUSHES[way](client, content)

    with ThreadPoolExecutor(len(contents)) as pool, meter.peak_memory() as peak:
        list(pool.map(push, contents))
    name = f"{len(contents)} pushes of {size_text(run.scale.layer)} at once by {way}"
    _add(run, registry, name, peak.size)


def _add(run: Run, registry: Registry, name: str, size: int) -> None:
    run.add(Row(GROUP, name, "MiB"), registry, size / MIB)


def _client(run: Run, url: str) -> RegistryClient:
    return RegistryClient(url, f"{run.namespace}/memory")
