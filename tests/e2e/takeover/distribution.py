"""CNCF distribution as packaged by Debian: its server over a folder, and its garbage collector.

    with Distribution(folder) as authority: ...  # serves the folder
    Distribution(folder).collect_garbage()       # removes unreferenced content

The folder has the same tree that its azure driver writes into a container.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from types import TracebackType

from tests.support.programs import program

_START_SECONDS = 30
_STOP_SECONDS = 30
_LISTENS = re.compile(r"listening on (127\.0\.0\.1:\d+)")


class Distribution:
    """The registry whose files are in ``folder``; as a context manager it is served."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._config = folder.with_name(f"{folder.name}.yml")
        self._log = folder.with_name(f"{folder.name}.log")
        self._program = program("docker-registry")

    def collect_garbage(self, *, untagged: bool = False, dry_run: bool = False) -> str:
        """Run the garbage collector and return its report."""
        self._configure()
        flags = ["--delete-untagged"] * untagged + ["--dry-run"] * dry_run
        done = subprocess.run(
            [self._program, "garbage-collect", *flags, str(self._config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __enter__(self) -> str:
        """Return where it listens, as `host:port`."""
        self._configure()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "serve", str(self._config)], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + _START_SECONDS
        while (listens := _LISTENS.search(self._log.read_text())) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._stop()
                raise RuntimeError(f"docker-registry did not start:\n{self._log.read_text()}")
            time.sleep(0.02)
        return listens[1]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _configure(self) -> None:
        # JSON is YAML, too. Purging is disabled, so that abandoned uploads stay.
        config = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder)},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": "127.0.0.1:0", "secret": "of tests"},
            "compatibility": {"schema1": {"enabled": True}},
        }
        self._config.write_text(json.dumps(config))
