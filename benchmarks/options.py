"""The command line, parsed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .run import Registry

GROUPS = ("calls", "throughput", "rates", "latency", "memory")
SERVED, AGAINST = "ours", "other"

EXAMPLES = """
examples:
  python -m benchmarks --serve --quick
  python -m benchmarks --serve --against ../older
  python -m benchmarks --serve --registry distribution=http://127.0.0.1:5001 --pid distribution=4711
  python -m benchmarks --registry a=http://127.0.0.1:5000 --storage-log a=azurite.log --only calls
"""


@dataclass(frozen=True)
class Options:
    """`registries` in the order of the columns; our own comes first."""

    registries: tuple[Registry, ...]
    groups: tuple[str, ...]
    serve: bool
    against: Path | None
    """Another tree of ours, served as `AGAINST`."""
    quick: bool
    json: Path | None


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """Parse the command line; exit with a message when it is invalid."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        registries = _registries(given)
        groups = _groups(given.only)
        _check_against(given)
    except ValueError as error:
        parser.error(str(error))
    if not registries and not given.serve:
        parser.error("nothing to measure: add --registry, or --serve for our own")
    return Options(registries, groups, given.serve, given.against, given.quick, given.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure container registries side by side; see benchmarks/README.md.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--serve", action="store_true", help=f"run our own registry, called {SERVED}, on Azurite"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help=f"with --serve: also run another tree of ours, called {AGAINST}, on its own Azurite",
    )
    for flag, text in (
        ("--registry", "NAME=URL: a registry to measure; may be repeated, like the next options"),
        ("--pid", "NAME=PID: the serving process, for memory and CPU"),
        ("--storage-log", "NAME=FILE: the access log of its storage, for storage calls"),
        ("--seed", "NAME=URL: another instance on the same storage, to push what is read cold"),
        ("--streaming", "NAME=URL: another instance on the same storage, without redirects"),
        ("--streaming-pid", "NAME=PID: the process of the instance without redirects"),
    ):
        metavar = text.partition(":")[0]
        parser.add_argument(flag, action="append", default=[], metavar=metavar, help=text)
    parser.add_argument("--only", metavar="GROUP,...", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes: a smoke test")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to a file")
    return parser


def _registries(given: argparse.Namespace) -> tuple[Registry, ...]:
    urls = _named("--registry", given.registry)
    pids = _named("--pid", given.pid)
    logs = _named("--storage-log", given.storage_log)
    seeds = _named("--seed", given.seed)
    streaming = _named("--streaming", given.streaming)
    streaming_pids = _named("--streaming-pid", given.streaming_pid)
    for name in (SERVED, AGAINST) if given.serve else ():
        if name in urls:
            raise ValueError(f"{name} is the name of a registry of --serve; choose another name")
    for name in {*pids, *logs, *seeds, *streaming, *streaming_pids} - {*urls}:
        raise ValueError(f"{name} is not a --registry")
    for url in (*urls.values(), *seeds.values(), *streaming.values()):
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError(f"{url!r} is not an HTTP URL such as http://127.0.0.1:5000")
    return tuple(
        Registry(
            name,
            url,
            pid=_pid(pids.get(name)),
            storage_log=Path(logs[name]) if name in logs else None,
            seed_url=seeds.get(name),
            streaming_url=streaming.get(name),
            streaming_pid=_pid(streaming_pids.get(name)),
        )
        for name, url in urls.items()
    )


def _check_against(given: argparse.Namespace) -> None:
    if given.against and not given.serve:
        raise ValueError("--against needs --serve")
    if given.against and not (given.against / "registry_core").is_dir():
        raise ValueError(f"--against {given.against}: not a tree of ours")


def _named(flag: str, values: Sequence[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for text in values:
        name, separator, value = text.partition("=")
        if not (name and separator and value):
            raise ValueError(f"{flag} {text!r}: expected NAME=VALUE")
        if name in named:
            raise ValueError(f"{flag} is given twice for {name}")
        named[name] = value
    return named


def _pid(text: str | None) -> int | None:
    if text is not None and not text.isdecimal():
        raise ValueError(f"{text!r} is not a process id")
    return int(text) if text else None


def _groups(only: str | None) -> tuple[str, ...]:
    if only is None:
        return GROUPS
    chosen = only.split(",")
    for group in chosen:
        if group not in GROUPS:
            raise ValueError(f"--only {group!r}: unknown group; known are {', '.join(GROUPS)}")
    return tuple(group for group in GROUPS if group in chosen)
