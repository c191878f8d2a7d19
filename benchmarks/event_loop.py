"""`python -m benchmarks.event_loop`: how long one request keeps an instance's event loop from others.

Starts Azurite and a process for each registry, whose loop is measured while this one sends requests.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from registry_core.auth.sources.htpasswd import LEAST_COST, htpasswd_line
from registry_core.serve.azurite import Azurite, AzuriteError
from registry_core.storage.layout import Layout

from .auth import basic
from .connection import Connection, Unexpected
from .content import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Content, new_content, new_image
from .heartbeat import Gaps
from .hosts import PROJECT, HostFailed, new_storage, python_of
from .registry_client import RegistryClient
from .scale import KIB, MIB, size_text
from .sheet import line
from .storage import BareStorage

REPOSITORY = "benchmark/loop"
PASSWORD = "the same for all"
STOP_SECONDS = 60.0
_JSON = {"Content-Type": MANIFEST_TYPE}


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


QUICK = Scale(rounds=1, tags=50, manifest=64 * KIB, layer=9 * MIB, layers=2, idle_seconds=0.1)


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


Action = Callable[[Hosts, int], Callable[[], object]]
"""Prepares an action for a number of its round, and returns it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when measuring failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.event_loop", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: a smoke test")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="another tree of ours, measured in turns"
    )
    parser.add_argument(
        "--where", action="store_true", help="print what held the loop; disturbs the measurement"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="actions that contain it")
    given = parser.parse_args(arguments)
    scale = QUICK if given.quick else Scale()
    projects = {"ours": PROJECT} | ({"other": given.against.resolve()} if given.against else {})
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            _measure(Path(folder), projects, scale, watch=given.where, only=given.only)
    except (AzuriteError, HostFailed, Unexpected) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(
    folder: Path, projects: Mapping[str, Path], scale: Scale, *, watch: bool, only: str
) -> None:
    with Azurite(folder / "azurite") as azurite, contextlib.ExitStack() as stack:
        settings, storage = new_storage(azurite)
        hosts = {
            name: stack.enter_context(_hosts(project, settings, folder / name, scale))
            for name, project in projects.items()
        }
        if not only or only in "tags":
            _put_tags(storage, scale)
        _print_header()
        for name, (host_of, prepare) in _actions(scale).items():
            if only not in name:
                continue
            gaps: dict[str, list[Gaps]] = {column: [] for column in hosts}
            for number in range(scale.rounds + 1):
                for column, both in hosts.items():
                    action = prepare(both, number)
                    measured = host_of(both).gaps(name, action, watch=watch)
                    if number:
                        gaps[column].append(measured)
            for column, samples in gaps.items():
                _print_row(name, column, samples)
                if watch:
                    for text, count in host_of(hosts[column]).seen[name].most_common(12):
                        print(f"    {count:4} {text}", flush=True)


def _print_header() -> None:
    print(
        line(
            [
                "while",
                "registry",
                "longest gap, ms",
                "without waiting for a CPU, ms",
                "computed in one go, ms",
                "99th percentile, ms",
            ]
        )
    )
    print(line(["---", "---", "---:", "---:", "---:", "---:"]), flush=True)


def _print_row(name: str, column: str, samples: Sequence[Gaps]) -> None:
    cells = [
        statistics.median(values)
        for values in zip(
            *((each.longest, each.held, each.computed, each.p99) for each in samples), strict=True
        )
    ]
    print(line([name, column, *(f"{value:.1f}" for value in cells)]), flush=True)


@contextlib.contextmanager
def _hosts(
    project: Path, storage: Mapping[str, str], folder: Path, scale: Scale
) -> Iterator[Hosts]:
    folder.mkdir()
    users = [_user(number) for number in range(scale.users * (scale.rounds + 1))]
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


def _user(number: int) -> str:
    return f"user-{number}"


def rules_of(size: int) -> str:
    """Return a document of almost ``size`` bytes of access rules, all of which apply to everyone."""
    text = ""
    for number in range(size):
        rule = f'[[rule]]\nwho = ["everyone"]\nmay = ["push"]\non = ["team-{number}/**"]\n'
        if len(text) + len(rule) > size:
            break
        text += rule
    return text


def _put_tags(storage: BareStorage, scale: Scale) -> None:
    layout = Layout()
    image = new_image()
    metadata = {"digest": image.digest, "mediatype": MANIFEST_TYPE, "size": "400"}
    paths = (layout.tag_link(f"{REPOSITORY}-tags", f"v1.{n}") for n in range(scale.tags))
    storage.put_all((path, image.digest.encode(), metadata) for path in paths)


def _actions(scale: Scale) -> dict[str, tuple[Callable[[Hosts], LoopHost], Action]]:
    """Return actions by name, each with the process that it concerns."""
    layers = f"{scale.layers} layers of {size_text(scale.layer)}"
    rules = f"{size_text(scale.rules)} of rules"
    manifest = f"{scale.manifest / MIB:.0f} MiB manifest"

    def opened(hosts: Hosts) -> LoopHost:
        return hosts.open

    def ruled(hosts: Hosts) -> LoopHost:
        return hosts.ruled

    def idle(_hosts: Hosts, _number: int) -> Callable[[], object]:
        return lambda: time.sleep(scale.idle_seconds)

    def list_at_once(hosts: Hosts, _number: int) -> Callable[[], object]:
        return lambda: _list_tags(hosts.open.url, "", scale.tags)

    def list_pages(hosts: Hosts, _number: int) -> Callable[[], object]:
        return lambda: _list_tags(hosts.open.url, f"?n={scale.tags}", scale.tags)

    def push(body: Callable[[int], bytes]) -> Action:
        def prepare(hosts: Hosts, number: int) -> Callable[[], object]:
            content = body(scale.manifest)
            with RegistryClient(hosts.open.url, REPOSITORY) as client:
                client.push_by_put(_EMPTY)
            return lambda: _push_manifest(hosts.open.url, content, f"v{number}")

        return prepare

    def read_rules(hosts: Hosts, _number: int) -> Callable[[], object]:
        return lambda: hosts.ruled.command("settings")

    def first_requests(hosts: Hosts, number: int) -> Callable[[], object]:
        users = [_user(number * scale.users + each) for each in range(scale.users)]
        return lambda: _request_as(hosts.ruled.url, users)

    return {
        "idle": (opened, idle),
        f"{scale.tags} tags in one answer": (opened, list_at_once),
        f"{scale.tags} tags, page by page": (opened, list_pages),
        f"push of a {manifest} of annotations": (opened, push(_annotated)),
        f"push of a {manifest} of layers": (opened, push(_layered)),
        f"{rules} are read": (ruled, read_rules),
        f"{rules}, first requests of {scale.users} users": (ruled, first_requests),
        f"{layers} in and as many out": (opened, _streams(scale)),
    }


def _list_tags(url: str, query: str, expected: int) -> None:
    """Follow the links of a listing. :raises Unexpected: it has another number of tags."""
    target, found = f"/v2/{REPOSITORY}-tags/tags/list{query}", 0
    with Connection(url) as connection:
        while target:
            answer = connection.request("GET", target, expect=[200])
            found += answer.body.count(b'"v1.')
            target = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    if found != expected:
        raise Unexpected(f"listed {found} tags of {expected}")


def _push_manifest(url: str, body: bytes, tag: str) -> None:
    target = f"/v2/{REPOSITORY}/manifests/{tag}"
    with Connection(url) as connection:
        connection.request("PUT", target, body=body, headers=_JSON, expect=[201])


def _annotated(size: int) -> bytes:
    pairs = {f"org.example.{n:07}": os.urandom(16).hex() for n in range((size - KIB) // 60)}
    return _manifest([_EMPTY], pairs)


def _layered(size: int) -> bytes:
    one = len(json.dumps(_descriptor(_EMPTY, LAYER_TYPE))) + 2
    return _manifest([_EMPTY] * ((size - KIB) // one), {"org.example": os.urandom(16).hex()})


_EMPTY = new_content(KIB)


def _manifest(layers: Sequence[Content], annotations: Mapping[str, str]) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(_EMPTY, CONFIG_TYPE),
        "layers": [_descriptor(layer, LAYER_TYPE) for layer in layers],
        "annotations": annotations,
    }
    return json.dumps(document).encode()


def _descriptor(content: Content, media_type: str) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": content.digest, "size": content.size}


def _request_as(url: str, users: Sequence[str]) -> None:
    with Connection(url) as connection:
        for user in users:
            headers = {"Authorization": basic(user, PASSWORD)}
            connection.request("GET", "/v2/team-1/x/tags/list", headers=headers, expect=[404])


def _streams(scale: Scale) -> Action:
    def prepare(hosts: Hosts, _number: int) -> Callable[[], object]:
        url = hosts.open.url
        pushed = [new_content(scale.layer) for _ in range(scale.layers)]
        pulled = new_content(scale.layer)
        with RegistryClient(url, REPOSITORY) as client:
            client.push_by_put(pulled)

        def push(content: Content) -> None:
            with RegistryClient(url, REPOSITORY) as client:
                client.push_by_patch(content)

        def pull(_content: Content) -> None:
            with RegistryClient(url, REPOSITORY) as client:
                client.pull_blob(pulled)

        def action() -> None:
            with ThreadPoolExecutor(2 * scale.layers) as pool:
                tasks = [pool.submit(way, each) for each in pushed for way in (push, pull)]
                for task in tasks:
                    task.result()

        return action

    return prepare


if __name__ == "__main__":
    sys.exit(main())
