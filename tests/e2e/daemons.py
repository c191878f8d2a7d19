"""dockerd and containerd, each in a temporary folder, independent of the machine's own.

    with dockerd() as socket: ...       # "unix:///…/docker.sock", for docker's --host
    with containerd() as socket: ...    # "/…/containerd.sock", for ctr's --address

They run no containers but only store, push and pull images: without a network, and with storage
drivers that need no kernel support. Both require root.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.programs import program

_START_SECONDS = 60
_STOP_SECONDS = 30

_CONTAINERD_CONFIG = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
"""


@contextmanager
def dockerd() -> Iterator[str]:
    """Run dockerd, which starts a containerd of its own."""
    docker = program("docker")
    _require_root()
    with _folder("dockerd-") as folder:
        (folder / "daemon.json").write_text("{}")
        socket = f"unix://{folder}/docker.sock"
        command = [
            program("dockerd"),
            f"--host={socket}",
            f"--config-file={folder}/daemon.json",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/dockerd.pid",
            "--storage-driver=vfs",
            "--bridge=none",
            "--iptables=false",
        ]
        with _running(command, folder, ready=[docker, f"--host={socket}", "version"]):
            yield socket


@contextmanager
def containerd() -> Iterator[str]:
    """Run containerd."""
    ctr = program("ctr")
    _require_root()
    with _folder("containerd-") as folder:
        config, socket = folder / "config.toml", str(folder / "containerd.sock")
        config.write_text(_CONTAINERD_CONFIG.format(folder=folder))
        command = [program("containerd"), f"--config={config}"]
        with _running(command, folder, ready=[ctr, f"--address={socket}", "version"]):
            yield socket


def _require_root() -> None:
    if os.geteuid() != 0:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("dockerd and containerd require root")


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    """Create a folder with a short path: those of sockets are limited to 107 bytes."""
    with tempfile.TemporaryDirectory(prefix=prefix) as path:
        yield Path(path)


@contextmanager
def _running(command: Sequence[str], folder: Path, ready: Sequence[str]) -> Iterator[None]:
    """Run a daemon; enter the block when the command `ready` succeeds."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while subprocess.run(ready, capture_output=True, check=False).returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
