"""The time to push a small image, and to list tags, without other load."""

from __future__ import annotations

import statistics
from functools import partial

from .content import new_image
from .registry_client import RegistryClient
from .run import Registry, Run, timed
from .sheet import Row

GROUP = "Latency (less is better)"
REPOSITORY = "latency"
_MEDIAN = Row(GROUP, "push a new 2-blob image, median", "ms")
_P90 = Row(GROUP, "push a new 2-blob image, 90th percentile", "ms")


def measure(run: Run) -> None:
    """Push one image after the other, each registry in turn; the first is not counted."""
    for number in range(run.scale.images + 1):
        for registry in run.registries:
            run.attempt(
                registry.name, _MEDIAN.name, partial(_push, run, registry, counted=number > 0)
            )
    for registry in run.registries:
        samples = run.sheet.samples.get(_MEDIAN, {}).get(registry.name, [])
        if len(samples) > 1:
            p90 = statistics.quantiles(samples, n=10, method="inclusive")[-1]
            run.add(_P90, registry, p90)
    for registry in run.registries:
        run.attempt(registry.name, "push tags", partial(_push_tags, run, registry))
    for number in range(run.scale.images + 1):
        for registry in run.registries:
            action = partial(_list, run, registry, counted=number > 0)
            run.attempt(registry.name, "list tags", action)


def _push(run: Run, registry: Registry, *, counted: bool) -> None:
    image = new_image()
    with RegistryClient(registry.url, f"{run.namespace}/{REPOSITORY}") as client:
        timing = timed(lambda: client.push_image(image, "latest"))
    if counted:
        run.add(_MEDIAN, registry, 1000 * timing.seconds)


def _push_tags(run: Run, registry: Registry) -> None:
    image = new_image()
    with RegistryClient(registry.url, f"{run.namespace}/{REPOSITORY}-tags") as client:
        client.push_image(image, "tag-0")
        for number in range(1, run.scale.tags):
            client.push_manifest(image, f"tag-{number}")


def _list(run: Run, registry: Registry, *, counted: bool) -> None:
    with RegistryClient(registry.url, f"{run.namespace}/{REPOSITORY}-tags") as client:
        timing = timed(client.list_tags)
    if counted:
        row = Row(GROUP, f"list {run.scale.tags} tags, median", "ms")
        run.add(row, registry, 1000 * timing.seconds)
