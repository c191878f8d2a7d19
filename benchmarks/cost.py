"""`python -m benchmarks.cost`: what each kind of request takes, for the cost model: CPU, answer.

Prints those lines of tools/cost/measured.toml that are measured. Azurite and four
hosts are started for it: one is measured, one pushes what the first has not seen, one streams, and
one gives out tokens.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry_core.serve.azurite import Azurite, AzuriteError
from tests.support.azurite import create_container
from tests.support.host import HostFailed, RunningHost, start_host

from .connection import Unexpected
from .content import Image, new_content, new_image
from .cost_requests import (
    REPOSITORY,
    Asked,
    Cost,
    close,
    cost,
    patch,
    put_manifest,
    reads,
    start,
    stream,
    token,
    token_settings,
)
from .registry_client import RegistryClient
from .scale import KIB, MIB


@dataclass(frozen=True)
class Scale:
    """How many requests of a kind: cold ones, and how often each is asked again."""

    images: int = 100
    again: int = 5
    larges: int = 8
    large: int = 32 * MIB
    users: int = 40


QUICK = Scale(images=2, again=1, larges=1, large=9 * MIB, users=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests: does everything work?")
    scale = QUICK if parser.parse_args(arguments).quick else Scale()
    version = ".".join(platform.python_version_tuple()[:2])
    print("[benchmark]", f'date = "{time.strftime("%Y-%m-%d")}"', sep="\n")
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {version}"
    print(f'machine = "{machine}, load {os.getloadavg()[0]:.0f}"', flush=True)
    try:
        with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder)) as azurite:
            for name, cold, warm, mib in _measure(azurite, scale):
                print(f"\n[request.{name}]\ncpu_ms = [{cold.cpu_ms:.2f}, {warm.cpu_ms:.2f}]")
                if mib:
                    print(f"cpu_mib = {mib:.2f}")
                print(f"answer = {warm.answer}", flush=True)
    except (AzuriteError, HostFailed, Unexpected) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


Row = tuple[str, Cost, Cost, float]
"""The kind, its cost cold and warm, and milliseconds of CPU for each MiB of its body."""


def _measure(azurite: Azurite, scale: Scale) -> Iterator[Row]:
    storage = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_STORAGE_CACHE_MEMBERSHIP": "3600",
        "REGISTRY_HTTP_SECRET": "the same secret for all",
        "REGISTRY_AUTH": "none",
    }
    with _host(storage) as seed, _host(storage) as measured:
        yield from _reads(seed, measured, scale)
        yield from _uploads(measured, scale)
        with _host({**storage, "REGISTRY_STORAGE_REDIRECT_DISABLE": "true"}) as streaming:
            yield _streaming(seed, streaming, scale)
    with _host({**storage, **token_settings(scale.users)}) as login:
        asked = [token(user) for user in range(scale.users)]
        yield "token", cost(login, asked), cost(login, asked * scale.again), 0.0


def _host(environment: Mapping[str, str]) -> contextlib.AbstractContextManager[RunningHost]:
    return start_host(environment, arguments=["--no-access-log"])


def _reads(seed: RunningHost, host: RunningHost, scale: Scale) -> Iterator[Row]:
    """Each kind has images of its own: who was asked for one thing of an image knows others."""
    yield "ask", *_twice(host, [Asked("GET", "/v2/", 200)] * scale.images, scale), 0.0
    for name, read in reads().items():
        asked = [read(image) for image in _pushed(seed, scale.images)]
        yield name, *_twice(host, asked, scale), 0.0


def _twice(host: RunningHost, asked: Sequence[Asked], scale: Scale) -> tuple[Cost, Cost]:
    return cost(host, asked), cost(host, [*asked] * scale.again)


def _pushed(seed: RunningHost, number: int, layer: int = 4 * KIB) -> Sequence[Image]:
    images = [new_image(layer) for _ in range(number)]
    with RegistryClient(seed.url, REPOSITORY) as client:
        for image in images:
            client.push_by_put(image.layer)
            client.push_by_put(image.config)
            client.push_manifest(image, image.digest.removeprefix("sha256:"))
    return images


def _uploads(host: RunningHost, scale: Scale) -> Iterator[Row]:
    """An instance that has seen an upload saves nothing on the next."""
    images = [new_image() for _ in range(scale.images)]
    for layer in (True, False):
        contents = [image.layer if layer else image.config for image in images]
        started = cost(host, [start()] * len(contents))
        patched = cost(host, list(map(patch, started.locations, contents)))
        closed = cost(host, list(map(close, patched.locations, contents)))
    manifests = cost(host, [put_manifest(image) for image in images])
    larges = [new_content(scale.large) for _ in range(scale.larges)]
    locations = cost(host, [start()] * len(larges)).locations
    sent = cost(host, list(map(patch, locations, larges)))
    ended = cost(host, list(map(close, sent.locations, larges)))
    mib = _per_mib(sent, patched, scale)
    yield "start_upload", started, started, 0.0
    yield "patch_small", patched, patched, 0.0
    yield "close_small", closed, closed, 0.0
    yield "patch_large", patched, patched, mib
    yield "close_large", ended, ended, 0.0
    yield "put_manifest", manifests, manifests, 0.0


def _streaming(seed: RunningHost, host: RunningHost, scale: Scale) -> Row:
    images, larges = _pushed(seed, scale.images), _pushed(seed, scale.larges, scale.large)
    asked = [stream(image) for image in images]
    cold, warm = cost(host, asked), cost(host, asked * scale.again)
    large = cost(host, [stream(image) for image in larges])
    return "stream_blob", cold, warm, _per_mib(large, cold, scale)


def _per_mib(large: Cost, small: Cost, scale: Scale) -> float:
    return max(0.0, large.cpu_ms - small.cpu_ms) / (scale.large / MIB)


if __name__ == "__main__":
    sys.exit(main())
