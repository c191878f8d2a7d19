"""Deletions can be undone wherever they are cut off, and so can restorations be repeated.

A deletion writes its record before it removes anything: from each state that it can leave,
restoring all records leads back to what was there before. A restoration is a push, and meets
pushes, deletions, purges and other restorations as one.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import pytest

from registry_core.object_store.interface import Properties, delete_if, if_match
from registry_core.registry import Registry
from registry_core.spec.digest import Digest
from registry_core.storage import restoring
from registry_core.storage.condemnation import condemn, is_condemned
from registry_core.storage.membership import Membership
from registry_core.storage.recording import Recorded, Recorder
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.storage.trash import Trash, TrashRecord, TrashUnknown
from tests.support.content import image_manifest

from .chance import draw_from
from .checks import Checker, Ending, summary
from .operations import Client, Operation, delete, delete_blob, push
from .scene import (
    BASE,
    CHILD,
    INDEX,
    LAYER,
    LAYOUT,
    NEIGHBOUR,
    NEIGHBOURS_LAYER,
    NEW,
    NEW_LAYER,
    OURS,
    REFERRER,
    THEIRS,
    Scene,
    scene,
    uncached,
)
from .scene import REPOSITORY as APP
from .schedule import FAULTS, LATE, Explorer
from .world import State, World

LEAST_MOMENTS = 3000
OF_BASE, OF_CHILD, OF_INDEX = Digest.of(BASE), Digest.of(CHILD), Digest.of(INDEX)
OF_REFERRER = Digest.of(REFERRER)
NEIGHBOURS = Digest.of(image_manifest(LAYER, NEIGHBOURS_LAYER))


def stored(registry: Registry) -> StoredRegistry:
    assert isinstance(registry, StoredRegistry)
    return registry


async def restore_all(registry: Registry) -> list[str]:
    """Undo all deletions in the trash, the newest first. Return what was restored."""
    trash, restoring = stored(registry).trash, stored(registry).restoring
    done = []
    for entry in reversed([entry async for entry in trash.list()]):
        with suppress(TrashUnknown):  # another record has brought it
            restoration = await restoring.restore(entry.id)
            done += [f"{each.record.kind} {each.record.digest}" for each in restoration.restored]
    return sorted(done)


def restoration(name: str = "restore", *, takes: bool = False) -> Operation:
    """``takes``: before it, a manifest lacks what it references."""

    async def act(registry: Registry, _: Client) -> list[str]:
        return await restore_all(registry)

    return Operation(name, act, (act,), takes)


def purge(name: str = "purge") -> Operation:
    async def act(registry: Registry, _: Client) -> None:
        trash = stored(registry).trash
        await trash.purge([entry async for entry in trash.list()])

    return Operation(name, act, (act,), adds=False)


def pushed(content: bytes, *tags: str) -> Operation:
    return push("push", APP, content, *tags)


def deleted(reference: str | Digest, repository: str = APP, *, takes: bool = False) -> Operation:
    return delete("delete", repository, reference, takes=takes)


def prepared(begin: Scene, start: State, *operations: Operation) -> State:
    """Return the store after some operations, one after the other."""
    world = World.of(start)

    async def go() -> None:
        for number, operation in enumerate(operations):
            draw_from(f"prepared {number}")
            await operation.act(uncached(world), Client())

    begin.loop.run_until_complete(go())
    return world.save()


class Undone(NamedTuple):
    name: str
    operation: Operation
    written_by: str

    def __str__(self) -> str:
        return f"{self.name}-{self.written_by}"


DELETIONS = {
    "a tag": deleted("v1"),
    "a manifest with two tags": deleted(OF_BASE),
    "a referrer": deleted(OF_REFERRER),
    "a manifest without tags": deleted(OF_CHILD),
    "the last manifest": deleted(NEIGHBOURS, NEIGHBOUR),
    "a blob": delete_blob("delete", APP, NEW_LAYER),
}
UNDONE = [Undone(name, op, by) for name, op in DELETIONS.items() for by in (OURS, THEIRS)]


@cache
def undone(case: Undone) -> Checker:
    with scene() as begin:
        checker = Checker(begin.loop)
        start = begin.start(case.written_by)
        checker.undone(start, case.operation, restoration().act)
    return checker


@pytest.mark.parametrize("case", UNDONE, ids=str)
def test_a_deletion_can_be_undone_wherever_it_is_cut_off(case: Undone) -> None:
    found = undone(case).found
    assert not found, f"{len(found)} times, first {found[0]}"


PUSH_INDEX = pushed(INDEX, "multi")
CUT_SHORT: dict[str, Sequence[Operation]] = {
    "a tag": (deleted("v1"),),
    "a manifest with two tags": (deleted(OF_BASE),),
    "a referrer": (deleted(OF_REFERRER),),
    "a manifest and its referrer": (deleted(OF_REFERRER), deleted(OF_BASE)),
    "the last manifest": (deleted(NEIGHBOURS, NEIGHBOUR),),
    "a blob": (delete_blob("delete", APP, NEW_LAYER),),
    "an index and its child": (PUSH_INDEX, deleted(OF_INDEX), deleted(OF_CHILD, takes=True)),
    "a tag, then its manifest": (deleted("v1"), deleted(OF_BASE)),
    "a manifest, its tag set since": (deleted(OF_BASE), pushed(NEW, "v1")),
    "a manifest and its blob": (
        deleted(OF_CHILD),
        delete_blob("delete", APP, NEW_LAYER),
    ),
}


@cache
def cut_short(name: str) -> Checker:
    with scene() as begin:
        checker = Checker(begin.loop)
        before = CUT_SHORT[name]
        takes = any(operation.takes for operation in before)
        checker.cut_short(prepared(begin, begin.ours, *before), restoration(takes=takes))
    return checker


@pytest.mark.parametrize("name", CUT_SHORT)
def test_a_restoration_that_is_cut_short_tears_nothing_and_can_be_repeated(name: str) -> None:
    found = cut_short(name).found
    assert not found, f"{len(found)} times, first {found[0]}"


class Pair(NamedTuple):
    """Two operations after a deletion."""

    name: str
    before: Sequence[Operation]
    one: Operation
    other: Operation

    def __str__(self) -> str:
        return self.name


GONE, LAST = (deleted(OF_BASE),), (deleted(NEIGHBOURS, NEIGHBOUR),)
BLOB_GONE, CHILD_GONE = (delete_blob("delete", APP, NEW_LAYER),), (deleted(OF_CHILD),)
RESTORE = restoration()
PAIRS = (
    Pair("pushed again", GONE, RESTORE, pushed(BASE, "v1")),
    Pair("a tag moved", GONE, RESTORE, pushed(NEW, "v1")),
    Pair("deleted again", GONE, RESTORE, deleted(OF_BASE)),
    Pair("a tag deleted", GONE, RESTORE, deleted("v1")),
    Pair("purged", GONE, RESTORE, purge()),
    Pair("restored twice", GONE, RESTORE, restoration("again")),
    Pair("a tag, moved", (deleted("v1"),), RESTORE, pushed(NEW, "v1")),
    Pair("a tag, its manifest deleted", (deleted("v1"),), RESTORE, deleted(OF_BASE)),
    Pair("a tag, restored twice", (deleted("v1"),), RESTORE, restoration("again")),
    Pair("a referrer, pushed again", (deleted(OF_REFERRER),), RESTORE, pushed(REFERRER)),
    Pair("a referrer, deleted again", (deleted(OF_REFERRER),), RESTORE, deleted(OF_REFERRER)),
    Pair("the last manifest, another pushed", LAST, RESTORE, push("push", NEIGHBOUR, BASE, "v2")),
    Pair("the last manifest, deleted again", LAST, RESTORE, deleted(NEIGHBOURS, NEIGHBOUR)),
    Pair("a blob, deleted again", BLOB_GONE, RESTORE, delete_blob("delete", APP, NEW_LAYER)),
    Pair("a manifest, its blob deleted", CHILD_GONE, RESTORE, delete_blob("d", APP, NEW_LAYER)),
)

CAPS = pytest.mark.parametrize("cap", [60, pytest.param(1000, marks=pytest.mark.nightly)])
"""The orders that are checked one by one; as many again are sampled at random."""


@cache
def interleaved(pair: Pair, cap: int) -> Checker:
    with scene() as begin:
        checker = Checker(begin.loop)
        start = prepared(begin, begin.ours, *pair.before)
        checker.interleaved(start, (pair.one, pair.other), Ending.WHOLE, cap)
    return checker


@CAPS
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_restoration_and_another_operation_leave_what_clients_see_consistent(
    pair: Pair, cap: int
) -> None:
    found = interleaved(pair, cap).found
    assert not found, f"{len(found)} times, first {found[0]}"


@cache
def disturbed(pair: Pair, faulty: int, cap: int) -> Checker:
    with scene() as begin:
        checker = Checker(begin.loop)
        start = prepared(begin, begin.ours, *pair.before)
        checker.disturbed(start, (pair.one, pair.other), faulty, switches=2, cap=cap)
    return checker


@CAPS
@pytest.mark.timeout(900)
@pytest.mark.parametrize("faulty", [0, 1])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_what_a_restoration_acknowledged_stays_though_a_call_fails(
    pair: Pair, faulty: int, cap: int
) -> None:
    found = disturbed(pair, faulty, cap).found
    assert not found, f"{len(found)} times, first {found[0]}"


def not_as_pushed(before: Sequence[Operation], cap: int) -> list[str]:
    """Return where a tag is not what a push has set it to, beside a restoration of the same tag.

    A call of the restoration fails, or is late.
    """
    found = []
    with scene() as begin:
        checker = Checker(begin.loop)
        start = prepared(begin, begin.ours, *before)
        explorer = Explorer(begin.loop, uncached, faults=1, kinds=(*FAULTS, LATE), faulty=[0])
        for node in explorer.explore(start, (RESTORE, pushed(NEW, "v1")), cap=cap):
            if node.outcomes is None or isinstance(node.outcomes[1], BaseException):
                continue
            facts, _ = checker._facts(node.state, may_lack=False)
            if facts.tags.get((APP, "v1")) != Digest.of(NEW):
                found.append(str(node.trace))
    return found


@CAPS
@pytest.mark.parametrize("before", [GONE, (deleted("v1"),)], ids=["manifest", "tag"])
def test_a_tag_that_is_pushed_while_it_is_restored_is_what_was_pushed(
    before: Sequence[Operation], cap: int
) -> None:
    assert not_as_pushed(before, cap) == []


def condemned(begin: Scene) -> State:
    """Return the store after a manifest was deleted, and a run has condemned what was only its own.

    The run has taken the record for one that has expired. The layer link is gone already.
    """
    world = World.of(prepared(begin, begin.ours, deleted(OF_CHILD)))
    layer = Digest.of(NEW_LAYER)

    async def go() -> None:
        await world.delete(LAYOUT.blob_link(APP, layer))
        for path in (LAYOUT.content(OF_CHILD), LAYOUT.content(layer)):
            assert await condemn(world, path, await world.head(path), "a-run")

    begin.loop.run_until_complete(go())
    return world.save()


def sweep(start: State) -> Operation:
    """A run that deletes what was condemned long ago, as its walk has seen it."""
    seen = {path: found.properties for path, found in start.objects.items()}

    async def act(registry: Registry, _: Client) -> None:
        for path, properties in seen.items():
            if is_condemned(properties):
                store = stored(registry).trash.store
                await delete_if(store, path, if_match(properties.etag))

    return Operation("sweep", act, (act,), adds=False)


def dangling(cap: int) -> list[str]:
    """Return what a restoration has left that leads to swept content, or has not brought back."""
    found = []
    with scene() as begin:
        start = condemned(begin)
        checker = Checker(begin.loop)
        explorer = Explorer(begin.loop, uncached, faults=1, kinds=(*FAULTS, LATE))
        for node in explorer.explore(start, (RESTORE, sweep(start)), cap=cap):
            if node.outcomes is None:
                continue
            facts, problems = checker._facts(node.state, may_lack=False)
            found += [f"{each.text} after {node.trace}" for each in problems]
            if not isinstance(node.outcomes[0], BaseException):
                lost = {("manifest", APP, OF_CHILD), ("blob", APP, Digest.of(NEW_LAYER))}
                found += [f"{each} is lost" for each in lost - facts.others]
    return found


@CAPS
def test_what_is_restored_while_it_is_swept_is_whole_or_not_there(cap: int) -> None:
    assert dangling(cap) == []


def test_the_search_finds_a_restoration_that_does_not_observe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def look(membership: Membership, path: str) -> Properties:
        return await membership.store.head(path)

    monkeypatch.setattr(Membership, "_observe", look)
    assert dangling(300)


async def _records_nothing(*_: object) -> None:
    """Do what a deletion does that removes first and records then, when it is cut off."""


def test_the_search_finds_a_deletion_that_removes_before_it_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Recorder, "manifest", _records_nothing)
    monkeypatch.setattr(Recorder, "tag", _records_nothing)
    for name in ("a tag", "a manifest with two tags"):
        assert undone.__wrapped__(Undone(name, DELETIONS[name], OURS)).found, name


def test_the_search_finds_a_deletion_that_withdraws_the_record_of_what_went(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of its calls fails after a tag went: the tag is only in this record."""
    manifest = Recorder.manifest

    async def forgetful(recorder: Recorder, *arguments: Any) -> Recorded | None:
        recorded = await manifest(recorder, *arguments)
        await recorder.withdraw(recorded)
        return recorded

    monkeypatch.setattr(Recorder, "manifest", forgetful)
    case = Undone("a manifest with two tags", deleted(OF_BASE), OURS)
    assert undone.__wrapped__(case).found


def test_the_search_finds_a_restoration_that_overwrites_tags(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(restoring, "_IF_NONE", None)
    assert not_as_pushed(GONE, 60)


def test_the_search_finds_a_restoration_that_ends_with_its_record_gone_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    touch = Trash.touch

    async def taken(trash: Trash, ident: str) -> tuple[TrashRecord, str]:
        record, etag = await touch(trash, ident)
        await trash.discard(ident, etag)
        return record, etag

    monkeypatch.setattr(Trash, "touch", taken)
    assert cut_short.__wrapped__("a manifest with two tags").found


@CAPS
@pytest.mark.timeout(3600)
def test_enough_moments_were_checked(cap: int, capsys: pytest.CaptureFixture[str]) -> None:
    at_once = [interleaved(pair, cap) for pair in PAIRS]
    failing = [disturbed(pair, faulty, cap) for pair in PAIRS for faulty in (0, 1)]
    short = [cut_short(name) for name in CUT_SHORT]
    back = [undone(case) for case in UNDONE]
    with capsys.disabled():
        sys.stdout.write(f"\ndeletions undone: {summary(back)}\n")
        sys.stdout.write(f"restorations cut short: {summary(short)}\n")
        sys.stdout.write(f"restorations interleaved: {summary(at_once)}\n")
        sys.stdout.write(f"the same with one fault: {summary(failing)}\n")
    checkers = (*at_once, *failing, *short, *back)
    assert sum(checker.moments for checker in checkers) >= LEAST_MOMENTS
