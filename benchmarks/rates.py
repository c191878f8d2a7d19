"""Requests per second of the most frequent requests, one at a time and concurrently."""

from __future__ import annotations

from functools import partial

from .content import MANIFEST_TYPE, new_content, new_image
from .load import Probe, requests_per_second
from .registry_client import REDIRECTS, RegistryClient
from .run import Registry, Run, timed
from .scale import KIB, MIB
from .sheet import Row
from .storage import BareStorage, new_blob_name

GROUP = "Requests per second (more is better)"
CPU_GROUP = "CPU of the registry per request (less is better)"
CONCURRENCIES = (1, 16)
TAG = "latest"

GET_BY_TAG = "GET manifest by tag"
GET_BY_DIGEST = "GET manifest by digest"
HEAD_BY_TAG = "HEAD manifest by tag"
HEAD_BY_DIGEST = "HEAD manifest by digest"
HEAD_BLOB = "HEAD blob"
GET_BLOB = "GET blob of 1 MiB, redirect not followed"
GET_SMALL_BLOB = "GET blob of 1 KiB, redirect not followed"

_SIZES = {GET_BLOB: MIB, GET_SMALL_BLOB: KIB}
_ALL = (GET_BY_TAG, GET_BY_DIGEST, HEAD_BY_TAG, HEAD_BY_DIGEST, HEAD_BLOB, *_SIZES)

Probes = dict[str, Probe]


def measure(run: Run) -> None:
    """Run every probe at every concurrency, registries and bare storage in turn."""
    probes: dict[str, Probes] = {}
    for registry in run.registries:
        run.attempt(registry.name, "prepare rates", partial(_prepare, run, registry, probes))
    if run.storage:
        storage = run.storage
        run.attempt(storage.name, "prepare rates", partial(_prepare_bare, storage, probes))
    registries = {registry.name: registry for registry in run.registries}
    for name in _ALL:
        for concurrency in CONCURRENCIES:
            for _ in range(run.scale.rounds):
                for column, of_column in probes.items():
                    if probe := of_column.get(name):
                        take = partial(_sample, run, column, probe, registries.get(column))
                        run.attempt(column, name, partial(take, name=name, concurrency=concurrency))


def _prepare(run: Run, registry: Registry, probes: dict[str, Probes]) -> None:
    image = new_image()
    with RegistryClient(registry.url, f"{run.namespace}/rates") as client:
        client.push_image(image, TAG)
        by_tag, by_digest = client.manifest(TAG), client.manifest(image.digest)
        blob = client.blob(image.layer.digest)
        contents = {name: new_content(size) for name, size in _SIZES.items()}
        for content in contents.values():
            client.push_by_put(content)
        blobs = {name: client.blob(content.digest) for name, content in contents.items()}
    url = registry.url
    probes[registry.name] = {
        GET_BY_TAG: Probe(url, "GET", by_tag, [200], MANIFEST_TYPE),
        GET_BY_DIGEST: Probe(url, "GET", by_digest, [200], MANIFEST_TYPE),
        HEAD_BY_TAG: Probe(url, "HEAD", by_tag, [200], MANIFEST_TYPE),
        HEAD_BY_DIGEST: Probe(url, "HEAD", by_digest, [200], MANIFEST_TYPE),
        HEAD_BLOB: Probe(url, "HEAD", blob, [200]),
        **{name: Probe(url, "GET", target, [200, *REDIRECTS]) for name, target in blobs.items()},
    }


def _prepare_bare(storage: BareStorage, probes: dict[str, Probes]) -> None:
    blob = new_blob_name()
    storage.put(blob, new_image().manifest)
    target = storage.target(blob)
    probes[storage.name] = {
        GET_BY_TAG: Probe(storage.url, "GET", target, [200]),
        HEAD_BY_TAG: Probe(storage.url, "HEAD", target, [200]),
    }


def _sample(
    run: Run, column: str, probe: Probe, registry: Registry | None, *, name: str, concurrency: int
) -> None:
    rate = 0.0

    def load() -> None:
        nonlocal rate
        rate = requests_per_second(probe, concurrency, run.scale.rate_seconds)

    timing = timed(load, registry.meter() if registry else None)
    run.sheet.add(Row(GROUP, f"{name}, {concurrency} at once", "1/s"), column, rate)
    if timing.cpu_seconds is not None and concurrency == max(CONCURRENCIES):
        milliseconds = 1000 * timing.cpu_seconds / (rate * timing.seconds)
        run.sheet.add(Row(CPU_GROUP, name, "ms"), column, milliseconds)
