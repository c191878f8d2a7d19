"""The processes of a soak: instances of the registry, and a collector that is killed and restarted.

with Collector(environment, graces) as collector:
    collector.kill()        # SIGKILL; it is started again
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.soak.collector import Graces
from tests.support.host import PROJECT, RunningHost, start_host

REGISTRY = "tests.e2e.soak.registry"
COLLECTOR = "tests.e2e.soak.collector"


@contextmanager
def instances(
    environment: Mapping[str, str], *, relied_on: float, blind: bool = False
) -> Iterator[tuple[RunningHost, RunningHost]]:
    """Run two instances of the registry over one container."""
    shortened = {
        **environment,
        "REGISTRY_STORAGE_CACHE_MEMBERSHIP": "1",
        "SOAK_RELIED_ON": str(relied_on),
        **({"SOAK_BLIND": "1"} if blind else {}),
    }
    streaming = {**shortened, "REGISTRY_STORAGE_REDIRECT_DISABLE": "true"}
    with (
        start_host(shortened, module=REGISTRY) as one,
        start_host(streaming, module=REGISTRY) as two,
    ):
        yield one, two


class Collector:
    """A collector in a process of its own. As a context manager it runs during the block."""

    def __init__(self, environment: Mapping[str, str], graces: Graces, log: Path) -> None:
        self.kills = 0
        self._log = log
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")},
            **environment,
            "SOAK_OPTIONS": graces.to_json(),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def kill_until(self, stopped: threading.Event, chance: random.Random, longest: float) -> None:
        """Kill it at random moments, and start it again, until ``stopped``.

        :raises AssertionError: it ended by itself.
        """
        try:
            while not stopped.wait(chance.uniform(0.5, longest)):
                self.kill()
        except BaseException:
            stopped.set()
            raise

    def kill(self) -> None:
        """Kill it, and start it again."""
        self._end()
        self.kills += 1
        self._start()

    def acts(self) -> Counter[str]:
        """Return how often it has done what, by the first word of the lines of its log."""
        return Counter(line.split(" ", 1)[0] for line in self.log().splitlines() if line)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", COLLECTOR],
                cwd=PROJECT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _end(self) -> None:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"the collector ended with {code}:\n{self.log()[-6000:]}"
        self._process.kill()
        self._process.wait()
