"""How tests start the program. It runs under this Python, which must be 3.13 or newer.

with start_functions_host(PROJECT, environment) as host:
    httpx.get(f"{host.url}/v2/")
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.host import PROJECT, HostFailed, RunningHost

_READY = re.compile(r"^functions host ready at (\S+)", re.MULTILINE)


def what_is_missing() -> str:
    """Return why the runtime cannot run here; empty if it can."""
    version: tuple[int, ...] = sys.version_info[:2]
    if version < (3, 13):
        return f"azure-functions-runtime needs Python 3.13, this is {'.'.join(map(str, version))}"
    if importlib.util.find_spec("azure_functions_runtime") is None:
        return "azure-functions-runtime is not installed"
    return ""


def start_functions_host(
    app: Path,
    environment: Mapping[str, str] | None = None,
    *,
    port: int = 0,
    seconds: float = 60,
) -> RunningHost:
    """Serve the app in a folder, and wait until it is ready. ``port`` 0 picks a free one.

    ``environment`` is added to this process's own, without settings of a registry or its host.

    :raises HostFailed: it ended before it was ready, or took too long. The message has its log.
    """
    configuring = ("REGISTRY_", "FUNCTIONS_", "WEBSITE_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(configuring)}
    log, path = tempfile.mkstemp()
    Path(path).unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.functions_host", f"--app={app}", f"--port={port}"],
        cwd=PROJECT,
        env={**inherited, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    host = RunningHost(process, log)
    _wait_until_ready(host, seconds)
    return host


def _wait_until_ready(host: RunningHost, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (ready := _READY.search(host.log())) is None:
        if not host.is_running():
            raise HostFailed(f"the functions host ended with {host.wait()}:\n{host.log()}")
        if time.monotonic() > deadline:
            host.kill()
            raise HostFailed(f"the functions host was not ready in {seconds:g} s:\n{host.log()}")
        time.sleep(0.02)
    host.url = ready[1]
    host.port = urlsplit(host.url).port or 80
