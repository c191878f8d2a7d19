"""The time to push a small image of two blobs and a manifest, without other load."""

from __future__ import annotations

import statistics
from functools import partial

from .content import new_image
from .registry_client import RegistryClient
from .run import Registry, Run, timed
from .sheet import Row

GROUP = "Latency of small pushes (less is better)"
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


def _push(run: Run, registry: Registry, *, counted: bool) -> None:
    image = new_image()
    with RegistryClient(registry.url, f"{run.namespace}/latency") as client:
        timing = timed(lambda: client.push_image(image, "latest"))
    if counted:
        run.add(_MEDIAN, registry, 1000 * timing.seconds)
