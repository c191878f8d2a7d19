"""`python -m benchmarks.relay`: pushing a layer through the relay, and what that costs whom.

Starts Azurite, the registry and a relay to it, and pushes in turns through the relay, to the
registry, and to Azurite itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from registry_core.serve.azurite import Azurite, AzuriteError
from tools.process_meter import ProcessMeter

from .connection import Unexpected
from .content import new_content
from .hosts import Host, HostFailed, local_host, local_relay, new_storage
from .registry_client import RegistryClient
from .run import timed
from .scale import MIB, size_text
from .sheet import Row, Sheet
from .storage import BareStorage, blocks_of, new_blob_name

THROUGH, DIRECT, BARE = "through the relay", "to the registry", "bare Azurite"
SPEED = "Throughput (more is better)"
CPU = "CPU for one layer (less is better)"
MEMORY = "Memory, peak (less is better)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when measuring failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relay", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: a smoke test")
    parser.add_argument("--layer", type=int, default=1024, metavar="MIB", help="its size")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    size, rounds = (32, 1) if given.quick else (given.layer, given.rounds)
    try:
        sheet = _measure(size * MIB, rounds)
    except (AzuriteError, HostFailed, Unexpected) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(sheet.markdown())
    return 0


def _measure(size: int, rounds: int) -> Sheet:
    sheet = Sheet([THROUGH, DIRECT, BARE], ratios=[(THROUGH, DIRECT), (THROUGH, BARE)])
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as folder,
        Azurite(Path(folder) / "azurite") as azurite,
    ):
        settings, storage = new_storage(azurite)
        with local_host(settings) as registry, local_relay(registry.url) as relay:
            for _ in range(rounds):
                _push(sheet, THROUGH, relay, registry, size)
                _push(sheet, DIRECT, registry, registry, size)
                _push_bare(sheet, storage, size)
            memory = Row(MEMORY, f"the process, {size_text(size)}", "MiB")
            for column, host in ((THROUGH, relay), (DIRECT, registry)):
                sheet.add(memory, column, ProcessMeter(host.pid).highest() / MIB)
    return sheet


def _push(sheet: Sheet, column: str, host: Host, registry: Host, size: int) -> None:
    """Push a layer as docker does, and note the CPU of the relay and of the registry."""
    content = new_content(size)
    meters = {"the registry": ProcessMeter(registry.pid)}
    if host is not registry:
        meters["the relay"] = ProcessMeter(host.pid)
    before = {name: meter.cpu_seconds() for name, meter in meters.items()}
    with RegistryClient(host.url, "benchmark/relay") as client:
        client.ping()
        timing = timed(lambda: client.push_by_patch(content))
    sheet.add(Row(SPEED, f"push {size_text(size)}", "MiB/s"), column, size / MIB / timing.seconds)
    for name, meter in meters.items():
        sheet.add(Row(CPU, name, "s"), column, meter.cpu_seconds() - before[name])


def _push_bare(sheet: Sheet, storage: BareStorage, size: int) -> None:
    blocks, blob = blocks_of(new_content(size)), new_blob_name()
    timing = timed(lambda: storage.put_blocks(blob, blocks))
    sheet.add(Row(SPEED, f"push {size_text(size)}", "MiB/s"), BARE, size / MIB / timing.seconds)


if __name__ == "__main__":
    sys.exit(main())
