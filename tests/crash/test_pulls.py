"""Records of pulls are written and merged by any number of processes, and no pull is lost.

Each process may die at any call; any call may fail, lose its answer, be repeated, or arrive late.
What the records and the summary have said once is known at every later moment.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, cast

import pytest

from registry_core.object_store.interface import UNCONDITIONAL, ObjectStore
from registry_core.registry import Registry
from registry_core.spec.digest import Digest
from registry_core.spec.errors import Unavailable
from registry_core.storage import pull_recorder, pulls
from registry_core.storage.layout import Layout
from registry_core.storage.pull_recorder import PullRecorder
from registry_core.storage.pulls import DAY, PullSummary, encode_pulls, merge_pulls

from .chance import leave_nothing_to_chance
from .loop import QuietLoop
from .operations import Client, Operation
from .schedule import ANSWERED, FAULTS, LATE, Choice, Explorer, Node
from .world import State, World

LAYOUT = Layout()
NOW = 20_000 * DAY + 1000
YESTERDAY = NOW - DAY
DIGEST = Digest.of(b"a manifest")
LEAST_MOMENTS = 4000

Times = Mapping[str, int]
"""When tags were last pulled."""

KNOWN: Times = {"v1": NOW - 9 * DAY, "v2": YESTERDAY - 5, "v3": YESTERDAY - 3, "v4": NOW - 1}
"""What the start has: in the summary, in two records of yesterday, and in one of today."""


async def _known(store: ObjectStore) -> PullSummary:
    return await merge_pulls(store, LAYOUT, now=NOW, write=False)


def merge(name: str) -> Operation:
    """The outcome is what the merge has found."""

    async def act(registry: Registry, _: Client) -> Times:
        summary = await merge_pulls(cast(ObjectStore, registry), LAYOUT, now=NOW)
        return summary.pulls["a"]

    return Operation(name, act, (act,))


def record(name: str, at: int, *tags: str) -> Operation:
    """An instance that writes each of the pulls by itself, and the last one as it is stopped.

    The outcome is what it has certainly recorded.
    """

    async def act(registry: Registry, _: Client) -> Times:
        recorder = PullRecorder(cast(ObjectStore, registry), LAYOUT, now=lambda: float(at))
        for tag in tags:
            recorder.record("a", tag, DIGEST)
            if tag != tags[-1]:
                await asyncio.sleep(1000)
        await recorder.close()
        is_written = not any(day.is_new for day in recorder._days.values())
        return dict.fromkeys(tags, at) if is_written else {}

    return Operation(name, act, (act,))


class Case(NamedTuple):
    """``faulty``: the operations of which one call fails."""

    name: str
    operations: Sequence[Operation]
    faulty: Sequence[int] = (0,)
    cap: int = 400


CASES = [
    Case("merge", [merge("merge")]),
    Case("record", [record("today", NOW, "v5", "v6")]),
    Case("two merges", [merge("one"), merge("other")]),
    Case("two merges, in order", [merge("one"), merge("other")], (), 10**9),
    Case("merge and today's record", [merge("merge"), record("today", NOW, "v5", "v6")], (0, 1)),
    Case(
        "merge and yesterday's record",
        [merge("merge"), record("late", YESTERDAY, "v5", "v6")],
        (0, 1),
    ),
    Case("three", [merge("one"), merge("other"), record("late", YESTERDAY, "v5", "v6")], (), 800),
]


class Search:
    """Looks for pulls that are lost in the states that operations leave."""

    def __init__(self, loop: QuietLoop, start: State) -> None:
        self.loop = loop
        self.start = start
        self.moments = 0
        self.found: list[str] = []
        self._seen: dict[object, PullSummary] = {}

    def explore(self, case: Case) -> None:
        """Check every moment of the operations of a case, in every order, with one fault."""
        explorer = Explorer(
            self.loop,
            lambda store: cast(Registry, store),
            faults=1 if case.faulty else 0,
            kinds=(*FAULTS, LATE),
            faulty=case.faulty,
        )
        for node in explorer.explore(self.start, case.operations, cap=case.cap):
            self.moments += 1
            self._check(node)

    def _check(self, node: Node) -> None:
        summary = self._summary(node.state)
        said = [f"damaged: {path}" for path in summary.damaged]
        said += _lost(KNOWN, summary.pulls["a"])
        for outcome in node.outcomes or ():
            if isinstance(outcome, BaseException):
                said += [] if isinstance(outcome, Unavailable) else [f"fails: {outcome!r}"]
            else:
                said += _lost(outcome, summary.pulls["a"])
        if said:
            steps = "; ".join(map(_step, node.trace))
            self.found.append(f"{'; '.join(said)}\n    after {steps}")

    def _summary(self, state: State) -> PullSummary:
        if state.key not in self._seen:
            world = World.of(state)
            self._seen[state.key] = self.loop.run_until_complete(_known(world))
        return self._seen[state.key]


def _lost(promised: Times, known: Times) -> list[str]:
    return [f"lost: {tag}" for tag, time in promised.items() if known.get(tag, 0) < time]


def _step(choice: Choice) -> str:
    (number, method, path, _), how = choice
    name = path.removeprefix(LAYOUT.pulls)
    return f"{number} {method} {name}" + ("" if how == ANSWERED else f" ({how})")


@contextmanager
def searching() -> Iterator[Search]:
    """A search from the start that `KNOWN` describes."""
    loop = QuietLoop()
    world = World()

    async def prepare() -> State:
        v1, v2, v3, v4 = ({tag: time} for tag, time in KNOWN.items())
        await world.put(LAYOUT.pulls_summary, encode_pulls({"a": v1}, since=1))
        for day, instance, times in (
            ("2024-10-03", "one", v2),
            ("2024-10-03", "other", v3),
            ("2024-10-04", "one", v4),
        ):
            await world.put(LAYOUT.pulls_of(day, instance), encode_pulls({"a": times}))
        return world.save()

    with pytest.MonkeyPatch.context() as patch:
        leave_nothing_to_chance(patch)
        logging.disable()  # of each of the faults
        try:
            yield Search(loop, loop.run_until_complete(prepare()))
        finally:
            logging.disable(logging.NOTSET)
    loop.close()
    assert loop.reports == []


@cache
def searched(number: int) -> Search:
    with searching() as search:
        search.explore(CASES[number])
    return search


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_no_pull_is_lost_whatever_fails_and_whoever_writes_at_the_same_time(number: int) -> None:
    found = searched(number).found
    assert not found, f"{len(found)} times, first {found[0]}"


def test_merges_leave_the_summary_and_the_records_of_today() -> None:
    """In the end, whatever their order."""
    with searching() as search:
        explorer = Explorer(search.loop, lambda store: cast(Registry, store))
        ends = [
            set(node.state.objects)
            for node in explorer.explore(search.start, [merge("one"), merge("other")])
            if node.outcomes is not None
        ]
    assert ends
    left = {LAYOUT.pulls_summary, LAYOUT.pulls_of("2024-10-04", "one")}
    assert all(end == left for end in ends)


def _unconditional(_: str) -> Any:
    return UNCONDITIONAL


@pytest.mark.parametrize("module", [pulls, pull_recorder], ids=["merge", "recorder"])
def test_the_search_finds_writes_without_conditions(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "if_match", _unconditional)
    monkeypatch.setattr(module, "IF_ABSENT", UNCONDITIONAL)
    with searching() as search:
        for case in CASES:
            search.explore(case)
    assert search.found


def test_the_search_finds_records_that_go_before_the_summary_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def write_nothing(merge: Any) -> bool:
        for path in merge.merged:
            await merge.store.delete(path)
        return True

    monkeypatch.setattr(pulls._Merge, "write", write_nothing)
    with searching() as search:
        search.explore(CASES[0])
    assert search.found


def test_enough_moments_were_checked(capsys: pytest.CaptureFixture[str]) -> None:
    moments = sum(searched(number).moments for number in range(len(CASES)))
    with capsys.disabled():
        sys.stdout.write(f"\npulls: {len(CASES)} cases, {moments} moments\n")
    assert moments >= LEAST_MOMENTS
