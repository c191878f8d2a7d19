"""Local hosts of our own registry, and Azurite beneath them."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry_core.serve.azurite import Azurite

from .run import Registry
from .storage import BareStorage

START_SECONDS = 60.0
STOP_SECONDS = 60.0
PROJECT = Path(__file__).resolve().parents[1]
SECRET = "a secret for benchmarks, long enough"

_READY = re.compile(r"ready at (http://\S+)")


class HostFailed(Exception):
    """A local server did not start; the text ends with its output."""


@dataclass(frozen=True)
class Host:
    """A local server that is ready."""

    url: str
    pid: int


@contextlib.contextmanager
def own_registry(name: str, folder: Path, project: Path) -> Iterator[tuple[Registry, BareStorage]]:
    """Run our registry of the tree `project`, called `name`, and yield it with its bare storage.

    Starts Azurite with an access log and three hosts on it: the measured one, one to push what the
    measured one has not seen yet, and one that does not redirect. Data is stored in `folder`.

    :raises HostFailed: when a host does not start.
    :raises registry_core.serve.azurite.AzuriteError: when Azurite does not start.
    """
    with contextlib.ExitStack() as stack:
        azurite = stack.enter_context(Azurite(folder / "azurite", access_log=True))
        settings, storage = new_storage(azurite)
        direct = {"REGISTRY_STORAGE_REDIRECT_DISABLE": "true"}
        measured = stack.enter_context(local_host(settings, project))
        seed = stack.enter_context(local_host(settings, project))
        streaming = stack.enter_context(local_host(settings | direct, project))
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


def new_storage(azurite: Azurite) -> tuple[dict[str, str], BareStorage]:
    """Create a container. Returns the settings of a registry on it, and the bare storage."""
    container = f"benchmark-{uuid.uuid4().hex}"
    storage = BareStorage("bare Azurite", azurite.connection_string, container)
    storage.create_container()
    settings = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container,
        "REGISTRY_HTTP_SECRET": SECRET,
    }
    return settings, storage


@contextlib.contextmanager
def local_host(settings: Mapping[str, str], project: Path = PROJECT) -> Iterator[Host]:
    """Run `python -m registry_core serve` of a tree on a free port, without an access log.

    :raises HostFailed: when it does not start.
    """
    arguments = ["serve", "--port", "0", "--no-access-log"]
    with _running(arguments, settings, project) as host:
        yield host


@contextlib.contextmanager
def local_relay(url: str) -> Iterator[Host]:
    """Run `python -m registry_core relay` to the registry at a URL, on a free port.

    :raises HostFailed: when it does not start.
    """
    with _running(["relay", url, "--port", "0", "--no-access-log"], {}, PROJECT) as host:
        yield host


@contextlib.contextmanager
def _running(
    arguments: Sequence[str], settings: Mapping[str, str], project: Path
) -> Iterator[Host]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")}
    with tempfile.NamedTemporaryFile(prefix="benchmarks-") as log:
        process = subprocess.Popen(
            [python_of(project), "-m", "registry_core", *arguments],
            cwd=project,
            env={**inherited, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Host(_url_when_ready(process, Path(log.name)), process.pid)
        finally:
            _stop(process)


def python_of(project: Path) -> str:
    """Return the Python of a tree: that of its `.venv`, or else this one."""
    own = project / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _url_when_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        written = log.read_text(errors="replace")
        if ready := _READY.search(written):
            return ready[1]
        if process.poll() is not None:
            raise HostFailed(f"the local server exited with {process.returncode}:\n{written}")
        time.sleep(0.02)
    raise HostFailed(f"the local server was not ready after {START_SECONDS:g} s:\n{written}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
