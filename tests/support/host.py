"""The local server as a separate process: `python -m registry_core serve`.

with start_host({}, arguments=["--data", str(tmp_path)]) as host:
    httpx.get(f"{host.url}/v2/")
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

PROJECT = Path(__file__).resolve().parents[2]

_READY = re.compile(r"^registry ready at (\S+)", re.MULTILINE)


class HostFailed(AssertionError):
    """The host did not start or stop properly; the message ends with its output."""


class RunningHost:
    """A running local server. As a context manager, it stops at the end.

    ``url`` is where it listens (``unix:PATH`` for a socket); ``port`` is 0 for a socket.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: int) -> None:
        self._process = process
        self._log = log
        weakref.finalize(self, os.close, log)
        self.pid = process.pid
        self.url = ""
        self.port = 0

    def log(self) -> str:
        """Return the output and errors of the host so far."""
        return os.pread(self._log, 1 << 30, 0).decode(errors="replace")

    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal and return at once."""
        self._process.send_signal(signal_number)

    def wait(self, seconds: float = 60) -> int:
        """Wait for the process to end by itself and return its exit code.

        :raises HostFailed: when it does not end; it is killed then.
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise HostFailed(f"the host still ran after {seconds:g} s:\n{self.log()}") from None

    def stop(self, seconds: float = 60) -> int:
        """Send SIGTERM, wait and return the exit code. :raises HostFailed: as `wait` does."""
        if self.is_running():
            self.send(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self) -> None:
        """Send SIGKILL and wait."""
        self._process.kill()
        self._process.wait()

    def wait_until_ready(self, seconds: float) -> None:
        """Wait for the ready line. :raises HostFailed: when the host ends first or is too slow."""
        deadline = time.monotonic() + seconds
        while (ready := _READY.search(self.log())) is None:
            if not self.is_running():
                raise HostFailed(f"the host exited with {self._process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                self.kill()
                raise HostFailed(f"the host was not ready after {seconds:g} s:\n{self.log()}")
            time.sleep(0.02)
        self.url = ready[1]
        if self.url.startswith("http"):
            self.port = urlsplit(self.url).port or 80

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.is_running():
            code = self.stop()
            if code != 0 and error is None:
                raise HostFailed(f"the host stopped with {code}:\n{self.log()}")


def start_process(
    environment: Mapping[str, str],
    *,
    arguments: Sequence[str] = (),
    module: str = "registry_core",
) -> RunningHost:
    """Start ``python -m MODULE serve ARGUMENTS`` without waiting for anything.

    ``environment`` is added to this process's own, less what configures a registry.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
    log, path = tempfile.mkstemp()
    Path(path).unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve", *arguments],
        cwd=PROJECT,
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    return RunningHost(process, log)


def start_host(
    environment: Mapping[str, str],
    *,
    port: int = 0,
    arguments: Sequence[str] = (),
    module: str = "registry_core",
    seconds: float = 60,
) -> RunningHost:
    """Start a host as `start_process` does and wait until it is ready.

    Without storage in ``environment`` it starts its own Azurite: give ``--data FOLDER`` then, or it
    uses the project's. ``port`` 0 picks a free one.

    :raises HostFailed: when it ends first or is not ready within ``seconds``.
    """
    host = start_process(environment, arguments=["--port", str(port), *arguments], module=module)
    host.wait_until_ready(seconds)
    return host
