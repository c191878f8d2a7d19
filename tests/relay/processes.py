"""The relay as a process: ``python -m registry_core relay``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.host import PROJECT, HostFailed, RunningHost

_READY = re.compile(r"^relay ready at (\S+)", re.MULTILINE)


def start_relay(
    url: str,
    *arguments: str,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
    seconds: float = 60,
) -> RunningHost:
    """Start a relay to the registry at ``url``, and wait until it is ready.

    :raises HostFailed: it ends first, or is not ready in time.
    """
    relay = start_unready(url, "--port", str(port), *arguments, environment=environment)
    deadline = time.monotonic() + seconds
    while (ready := _READY.search(relay.log())) is None:
        if not relay.is_running() or time.monotonic() > deadline:
            relay.kill()
            raise HostFailed(f"the relay did not start:\n{relay.log()}")
        time.sleep(0.02)
    relay.url = ready[1]
    relay.port = int(relay.url.rpartition(":")[2])
    return relay


def start_unready(*arguments: str, environment: Mapping[str, str] | None = None) -> RunningHost:
    """Start a relay without waiting for anything. Its environment names no proxy."""
    inherited = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    log, path = tempfile.mkstemp()
    Path(path).unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "registry_core", "relay", *arguments],
        cwd=PROJECT,
        env={**inherited, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    return RunningHost(process, log)


def peak_memory(host: RunningHost) -> int:
    """Return the most memory that a process has used, in bytes."""
    status = Path(f"/proc/{host.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024
