"""`python -m benchmarks.direct_upload`: layers straight to storage, and through the registry.

Pushes images of one layer, in turns, as containerd does: to storage, as version 2.2 and newer can,
and by PUT to the registry, as older ones do. Bare Azurite gets the same bytes as one block.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from registry_core.serve.azurite import Azurite, AzuriteError
from tools.process_meter import ProcessMeter

from .calls import AccessLog
from .connection import Connection, Unexpected
from .content import Content, Image, image_of, new_content
from .hosts import Host, HostFailed, local_host, new_storage
from .registry_client import OCTETS, RegistryClient
from .run import timed
from .scale import KIB, MIB, size_text
from .sheet import Row, Sheet
from .storage import VERSION, BareStorage, new_blob_name

DIRECT, THROUGH, BARE = "direct", "through the registry", "bare Azurite"
TIMES = "Push of an image of one layer"
COSTS = "What it costs the registry"
_AGENT = {"User-Agent": "containerd/2.4.0"}
_GIB = 1024 * MIB


@dataclass(frozen=True)
class Scale:
    """The sizes of the layers, in bytes, and how often each is pushed."""

    sizes: Sequence[int] = (64 * MIB, 512 * MIB)
    rounds: int = 3


QUICK = Scale(sizes=(4 * MIB,), rounds=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when measuring failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.direct_upload", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: a smoke test")
    scale = QUICK if parser.parse_args(arguments).quick else Scale()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            sheet = _measure(Path(folder), scale)
    except (AzuriteError, HostFailed, Unexpected) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(sheet.markdown())
    return 0


def _measure(folder: Path, scale: Scale) -> Sheet:
    """Push in turns, each way through a registry of its own, whose memory is its own."""
    sheet = Sheet([DIRECT, THROUGH, BARE], ratios=[(DIRECT, THROUGH), (DIRECT, BARE)])
    with Azurite(folder, access_log=True) as azurite, ExitStack() as stack:
        settings, storage = new_storage(azurite)
        log = AccessLog(azurite.log)
        ways = [
            _Way(DIRECT, _push_directly, stack.enter_context(local_host(settings)), 2),
            _Way(THROUGH, _push_through, stack.enter_context(local_host(settings)), 0),
        ]
        for way in ways:
            way.push(way.host.url, image_of(new_content(KIB)))  # what an instance does only once
        for size in scale.sizes:
            for _ in range(scale.rounds):
                print(f"pushing {size_text(size)} ...", file=sys.stderr)
                for way in ways:
                    way.measure(sheet, log, size)
                _measure_bare(sheet, storage, size)
    return sheet


@dataclass(frozen=True)
class _Way:
    """A way to push. ``by_client``: how many of the calls to storage are the client's own."""

    name: str
    push: Callable[[str, Image], None]
    host: Host
    by_client: int

    def measure(self, sheet: Sheet, log: AccessLog, size: int) -> None:
        image, meter, gib = image_of(new_content(size)), ProcessMeter(self.host.pid), size / _GIB
        seconds: list[float] = []

        def push() -> None:
            timing = timed(lambda: self.push(self.host.url, image), meter)
            seconds.extend([timing.seconds, timing.cpu_seconds or 0.0])

        with meter.peak_memory() as peak:
            calls = log.calls_of(push)
        text = size_text(size)
        sheet.add(Row(TIMES, text, "MiB/s"), self.name, size / MIB / seconds[0])
        sheet.add(Row(COSTS, f"CPU, {text}", "s/GiB"), self.name, seconds[1] / gib)
        sheet.add(Row(COSTS, f"peak memory, {text}", "MiB"), self.name, peak.size / MIB)
        made = len(calls) - self.by_client
        sheet.add(Row(COSTS, f"storage calls, {text}", "calls"), self.name, made, detail=calls)


def _measure_bare(sheet: Sheet, storage: BareStorage, size: int) -> None:
    content, name = new_content(size), new_blob_name()
    block_id = base64.b64encode(b"block").decode()
    headers = {"x-ms-version": VERSION, "Content-Length": str(size)}

    def stage() -> None:
        with Connection(storage.url) as connection:
            connection.request(
                "PUT",
                storage.target(name, comp="block", blockid=block_id),
                body=content.pieces(),
                headers=headers,
                expect=[201],
            )

    seconds = timed(stage).seconds
    sheet.add(Row(TIMES, size_text(size), "MiB/s"), BARE, size / MIB / seconds)


def _push_directly(url: str, image: Image) -> None:
    with RegistryClient(url, "benchmark/direct", _AGENT) as client:
        for content in (image.config, image.layer):
            _put(client.start_upload(), content)
        client.push_manifest(image, "latest")


def _push_through(url: str, image: Image) -> None:
    with RegistryClient(url, "benchmark/through") as client:
        for content in (image.config, image.layer):
            client.push_by_put(content)
        client.push_manifest(image, "latest")


def _put(location: str, content: Content) -> None:
    """Put a blob to where the registry says, on another host."""
    parts = urlsplit(location)
    if not parts.netloc:
        raise Unexpected(f"the registry takes the upload itself, at {location[:200]}")
    headers = {"Content-Type": OCTETS, "Content-Length": str(content.size)}
    with Connection(location) as storage:
        target = f"{parts.path}?{parts.query}&digest={content.digest}"
        storage.request("PUT", target, body=content.pieces(), headers=headers, expect=[201])


if __name__ == "__main__":
    sys.exit(main())
