"""The processes whose event loops are measured; `loop_host` is what runs in them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from registry_core.auth.sources.htpasswd import LEAST_COST, htpasswd_line

from .heartbeat import Gaps
from .hosts import PROJECT, HostFailed, python_of
from .scale import KIB, MIB

PASSWORD = "the same for all"
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Scale:
    """Sizes in bytes; ``rounds`` of which medians are shown."""

    rounds: int = 5
    tags: int = 20_000
    manifest: int = 4 * MIB - KIB
    rules: int = 64 * KIB
    users: int = 10
    layer: int = 64 * MIB
    layers: int = 8
    idle_seconds: float = 1.0


QUICK = Scale(
    rounds=1, tags=50, manifest=64 * KIB, rules=4 * KIB, layer=9 * MIB, layers=2, idle_seconds=0.1
)


class LoopHost:
    """A registry in a process of its own (`loop_host`), with the gaps of its event loop."""

    def __init__(self, project: Path, settings: Mapping[str, str], log: Path) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [python_of(project), "-m", "benchmarks.loop_host", str(project)],
                cwd=PROJECT,
                env={**inherited, **settings},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        self.seen: dict[str, Counter[str]] = {}
        """What held the loop, by the measured action."""
        self.url = f"http://127.0.0.1:{self._read()['port']}"

    def gaps(self, name: str, action: Callable[[], object], *, watch: bool = False) -> Gaps:
        """Return the gaps of the loop during an action."""
        self.command("watch" if watch else "start")
        try:
            action()
        finally:
            answer = self.command("stop")
        self.seen.setdefault(name, Counter()).update(dict(answer["seen"]))
        return Gaps(**answer["gaps"])

    def command(self, name: str) -> Any:
        """Send a command and return its answer. :raises HostFailed: the process has ended."""
        assert self._process.stdin
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout
        answer = self._process.stdout.readline()
        if not answer:
            raise HostFailed(f"the measured process ended:\n{self._log.read_text()}")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@dataclass(frozen=True)
class Hosts:
    """Two processes of one registry: one that everybody may use, one with access rules."""

    open: LoopHost
    ruled: LoopHost


@contextlib.contextmanager
def hosts_of(
    project: Path, storage: Mapping[str, str], folder: Path, scale: Scale
) -> Iterator[Hosts]:
    """Run both processes of the tree `project`, with their logs in a new `folder`."""
    folder.mkdir()
    users = [user_name(number) for number in range(scale.users * (scale.rounds + 1))]
    _, _, hashed = htpasswd_line("any", PASSWORD, LEAST_COST).partition(":")
    rules = {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_PATH": "".join(f"{user}:{hashed}\n" for user in users),
        "REGISTRY_AUTH_RULES": rules_of(scale.rules),
    }
    everybody = {
        "REGISTRY_AUTH": "none",
        "REGISTRY_STORAGE_REDIRECT_DISABLE": "true",
        "REGISTRY_LOG_ACCESSLOG_DISABLED": "true",
    }
    with (
        LoopHost(project, {**storage, **everybody}, folder / "open.log") as opened,
        LoopHost(project, {**storage, **rules}, folder / "ruled.log") as ruled,
    ):
        yield Hosts(opened, ruled)


def user_name(number: int) -> str:
    """Return the name of a user whom the process with rules knows."""
    return f"user-{number}"


def rules_of(size: int) -> str:
    """Return almost ``size`` bytes of access rules, all of which apply to everyone."""
    text = ""
    for number in range(size):
        rule = f'[[rule]]\nwho = ["everyone"]\nmay = ["push"]\non = ["team-{number}/**"]\n'
        if len(text) + len(rule) > size:
            break
        text += rule
    return text
