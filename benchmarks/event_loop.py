"""`python -m benchmarks.event_loop`: how long one request keeps an event loop from all others.

Starts Azurite and two processes for each registry, whose loops are measured while this process
sends requests.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from registry_core.serve.azurite import Azurite, AzuriteError

from .connection import Unexpected
from .heartbeat import Gaps
from .hosts import PROJECT, HostFailed, new_storage
from .loop_actions import Action, actions, put_tags
from .loop_hosts import QUICK, Hosts, Scale, hosts_of
from .options import AGAINST, SERVED
from .sheet import Row, Sheet

LONGEST = "Longest gap of the event loop while"
HELD = "The same without waiting for a CPU"
COMPUTED = "Computed in one go while"
P99 = "99th percentile of gaps while"
_SHOWN = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when measuring failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.event_loop", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: a smoke test")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help=f"also measure another tree, called {AGAINST}"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="the rows that contain it")
    parser.add_argument(
        "--where", action="store_true", help="print what held the loop; this holds it longer"
    )
    given = parser.parse_args(arguments)
    scale = QUICK if given.quick else Scale()
    projects = {SERVED: PROJECT}
    if given.against:
        projects[AGAINST] = given.against.resolve()
    chosen = [action for action in actions(scale) if given.only in action.name]
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            sheet = _measure(Path(folder), projects, scale, chosen, watch=given.where)
    except (AzuriteError, HostFailed, Unexpected) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(sheet.markdown())
    return 0


def _measure(
    folder: Path,
    projects: Mapping[str, Path],
    scale: Scale,
    chosen: Sequence[Action],
    *,
    watch: bool,
) -> Sheet:
    sheet = Sheet(list(projects), ratios=[(SERVED, AGAINST)])
    with Azurite(folder / "azurite") as azurite, contextlib.ExitStack() as stack:
        settings, storage = new_storage(azurite)
        if any("tags" in action.name for action in chosen):
            put_tags(storage, scale)
        hosts = {
            name: stack.enter_context(hosts_of(project, settings, folder / name, scale))
            for name, project in projects.items()
        }
        for action in chosen:
            print(f"measuring {action.name} ...", file=sys.stderr)
            _in_turns(sheet, hosts, action, scale.rounds, watch=watch)
            if watch:
                _print_seen(hosts, action)
    return sheet


def _in_turns(
    sheet: Sheet, hosts: Mapping[str, Hosts], action: Action, rounds: int, *, watch: bool
) -> None:
    """Add the samples of each registry; the first round is not counted."""
    for number in range(rounds + 1):
        for column, both in hosts.items():
            host = action.host(both)
            gaps = host.gaps(action.name, action.prepare(host, number), watch=watch)
            if number:
                _add(sheet, action.name, column, gaps)


def _add(sheet: Sheet, name: str, column: str, gaps: Gaps) -> None:
    sheet.add(Row(LONGEST, name, "ms"), column, gaps.longest)
    sheet.add(Row(HELD, name, "ms"), column, gaps.held)
    sheet.add(Row(COMPUTED, name, "ms"), column, gaps.computed)
    sheet.add(Row(P99, name, "ms"), column, gaps.p99)


def _print_seen(hosts: Mapping[str, Hosts], action: Action) -> None:
    for column, both in hosts.items():
        print(f"\n{column}, {action.name}:\n")
        for text, count in action.host(both).seen[action.name].most_common(_SHOWN):
            print(f"{count:6} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
