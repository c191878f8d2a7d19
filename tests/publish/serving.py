"""Servers in a process of their own, without anything of this environment."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.functions_host.process import what_is_missing
from tests.support.host import PROJECT, HostFailed, RunningHost
from tools.package import SITE_PACKAGES, Published

_READY = re.compile(r"^(?:functions host|registry) ready at (\S+)", re.MULTILINE)
_START_SECONDS = 60.0


def serve(published: Published, settings: Mapping[str, str], beside: Path) -> RunningHost:
    """Serve the published app under Microsoft's runtime, or without it where it is not available.

    :param beside: an empty folder for the runtime, which is part of the worker in Azure.
    :raises HostFailed: it does not start; the message ends with its log.
    """
    arguments = [str(Path(__file__).with_name("asgi_app.py")), str(published.folder)]
    paths: list[str] = []
    if not what_is_missing():
        _copy_runtime(beside)
        paths = [str(beside), str(published.folder / SITE_PACKAGES)]
        arguments = ["-m", "functions_host", "--app", str(published.folder)]
    command = [str(published.python), "-P" if paths else "-I", *arguments]
    environment = {**settings, "PYTHONPATH": ":".join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    return start(command, cwd=beside, environment=environment, ready=_READY)


def start(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    ready: re.Pattern[str],
) -> RunningHost:
    """Start a server with nothing but this environment, and wait until it listens.

    :param ready: finds the server's URL, as its group, in what it writes.
    :raises HostFailed: it does not start; the message ends with its log.
    """
    log, path = tempfile.mkstemp()
    Path(path).unlink()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    host = RunningHost(process, log)
    _wait_until_ready(host, ready)
    return host


def _copy_runtime(beside: Path) -> None:
    runtime = importlib.util.find_spec("azure_functions_runtime")
    assert runtime is not None
    assert runtime.origin is not None
    host = PROJECT / "tests" / "support" / "functions_host"
    for folder in (Path(runtime.origin).parent, host):
        shutil.copytree(folder, beside / folder.name)


def _wait_until_ready(host: RunningHost, ready: re.Pattern[str]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while (found := ready.search(host.log())) is None:
        if not host.is_running():
            raise HostFailed(f"the server ended with {host.wait()}:\n{host.log()}")
        if time.monotonic() > deadline:
            host.kill()
            raise HostFailed(f"the server was not ready in time:\n{host.log()}")
        time.sleep(0.02)
    host.url = found[1]
