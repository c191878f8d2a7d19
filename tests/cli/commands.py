"""Running the command line in a process of its own, with settings of storage."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping

from registry_core.serve.azurite import ACCOUNT
from tests.support.host import PROJECT

COMMAND = [sys.executable, "-m", "registry_core"]
WRONG_KEY = b64encode(bytes(64)).decode()
CONTAINER = "REGISTRY_STORAGE_AZURE_CONTAINER"


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process, with these settings and no others."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
    return {**inherited, "PYTHONPATH": str(PROJECT), "TERM": "xterm", **settings}


def run(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it printed."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )


def run_on_terminal(settings: Mapping[str, str], *arguments: str) -> tuple[str, str]:
    """Run a command whose standard error is a terminal. Return what it printed and what it drew."""
    terminal, end = pty.openpty()
    ran = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=end,
        text=True,
        check=True,
    )
    os.close(end)
    drawn = b""
    with contextlib.closing(os.fdopen(terminal, "rb", 0)) as reader, contextlib.suppress(OSError):
        while piece := reader.read(4096):
            drawn += piece
    return ran.stdout, drawn.decode()


def by_key(container: str, url: str) -> dict[str, str]:
    """Return settings with a key that is wrong."""
    return {
        "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": ACCOUNT,
        "REGISTRY_STORAGE_AZURE_ACCOUNTKEY": WRONG_KEY,
        "REGISTRY_STORAGE_AZURE_SERVICEURL": url,
        CONTAINER: container,
    }


def url_of(server: socket.socket) -> str:
    """Return the address of an account at a server."""
    return f"http://127.0.0.1:{server.getsockname()[1]}/{ACCOUNT}"
