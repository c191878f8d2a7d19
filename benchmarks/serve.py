"""Our own registry with all that a run needs: Azurite with an access log, and three local hosts.

Of the hosts, one is measured, one has seen what the first has not, and one does not redirect.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from registry_core.serve.azurite import Azurite

from .run import Registry
from .storage import BareStorage

CONTAINER = "benchmark"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
PROJECT = Path(__file__).resolve().parents[1]

_READY = re.compile(r"ready at (http://\S+)")


class HostFailed(Exception):
    """A local host did not start; the text ends with what it wrote."""


@dataclass(frozen=True)
class Host:
    """A local host that is ready."""

    url: str
    pid: int


@contextlib.contextmanager
def served(name: str, folder: Path) -> Iterator[tuple[Registry, BareStorage]]:
    """Our registry under `name`, and its storage bare, until the block ends. Data go to `folder`.

    :raises HostFailed: when a host does not start.
    :raises registry_core.serve.azurite.AzuriteError: when Azurite does not.
    """
    with contextlib.ExitStack() as stack:
        azurite = stack.enter_context(Azurite(folder / "azurite", access_log=True))
        storage = BareStorage("bare Azurite", azurite.connection_string, CONTAINER)
        storage.create_container()
        settings = {
            "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
            "REGISTRY_STORAGE_AZURE_CONTAINER": CONTAINER,
            "REGISTRY_HTTP_SECRET": secrets.token_urlsafe(48),
        }
        direct = {"REGISTRY_STORAGE_REDIRECT_DISABLE": "true"}
        measured = stack.enter_context(_host(settings, folder / "measured.log"))
        seed = stack.enter_context(_host(settings, folder / "seed.log"))
        streaming = stack.enter_context(_host(settings | direct, folder / "streaming.log"))
        registry = Registry(
            name,
            measured.url,
            pid=measured.pid,
            storage_log=azurite.log,
            seed_url=seed.url,
            streaming_url=streaming.url,
            streaming_pid=streaming.pid,
        )
        yield registry, storage


@contextlib.contextmanager
def _host(settings: Mapping[str, str], log: Path) -> Iterator[Host]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "registry_core", "serve", "--port", "0", "--no-access-log"],
            cwd=PROJECT,
            env={**inherited, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Host(_url_when_ready(process, log), process.pid)
    finally:
        _stop(process)


def _url_when_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        written = log.read_text(errors="replace")
        if ready := _READY.search(written):
            return ready[1]
        if process.poll() is not None:
            raise HostFailed(f"the local host ended with {process.returncode}:\n{written}")
        time.sleep(0.02)
    raise HostFailed(f"the local host was not ready after {START_SECONDS:g} s:\n{written}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
