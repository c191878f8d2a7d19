"""`python -m benchmarks`: print tables on standard output and progress on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from registry_core.serve.azurite import AzuriteError

from . import calls, latency, memory, rates, throughput
from .hosts import PROJECT, HostFailed, own_registry
from .options import AGAINST, SERVED, Options, read_options
from .run import Run
from .scale import QUICK, Scale

_MEASURES: dict[str, Callable[[Run], None]] = {
    "calls": calls.measure,
    "throughput": throughput.measure,
    "rates": rates.measure,
    "latency": latency.measure,
    "memory": memory.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when a measurement failed."""
    options = read_options(arguments)
    with contextlib.ExitStack() as stack:
        try:
            run = _start(options, stack)
        except (AzuriteError, HostFailed) as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            return 1
        for group in options.groups:
            print(f"measuring {group} ...", file=sys.stderr)
            _MEASURES[group](run)
    print(run.sheet.markdown())
    if options.json:
        options.json.write_text(json.dumps(_report(run), indent=1) + "\n")
    return 1 if run.sheet.problems else 0


def _start(options: Options, stack: contextlib.ExitStack) -> Run:
    scale = QUICK if options.quick else Scale()
    if not options.serve:
        return Run(options.registries, scale)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
    ours, storage = stack.enter_context(own_registry(SERVED, folder / SERVED, PROJECT))
    served = [ours]
    if options.against:
        project = options.against.resolve()
        other, _ = stack.enter_context(own_registry(AGAINST, folder / AGAINST, project))
        served.append(other)
    return Run((*served, *options.registries), scale, storage)


def _report(run: Run) -> dict[str, object]:
    return {
        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        },
        "scale": asdict(run.scale),
        **run.sheet.as_json(),
    }


if __name__ == "__main__":
    sys.exit(main())
