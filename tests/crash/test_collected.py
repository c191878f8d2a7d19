"""Every writer beside a run that condemns what it relies on, and beside one that sweeps it."""

import sys
from functools import cache
from typing import NamedTuple

import pytest

from registry_core.maintenance.gc.options import GcOptions
from registry_core.registry import Registry
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_index, image_manifest

from .collecting import (
    LARGE_LOOSE,
    LARGE_UNUSED,
    LONELY,
    LOOSE,
    OPTIONS,
    ORPHAN,
    UNTAGGED,
    UNUSED,
    CollectionChecker,
    collection,
    found,
    repair,
    summary,
    then,
    without_trash,
)
from .operations import Client, Operation, delete, delete_blob, mount, push, read, upload
from .scene import BASE, NEW, NEW_REFERRER, caching, scene, uncached
from .scene import REPOSITORY as APP
from .schedule import Make
from .staging import direct, staged

LEAST_MOMENTS, LEAST_ACKNOWLEDGED = 50_000, 1500

CAPS = pytest.mark.parametrize("cap", [15, pytest.param(200, marks=pytest.mark.nightly)])
"""The orders that are checked one by one; as many again are sampled at random."""


def looked_for(content: bytes) -> Operation:
    async def act(registry: Registry, _: Client) -> str:
        return str(await registry.resolve_blob(APP, Digest.of(content)))

    return found("HEAD blob", act)


def manifest_looked_for(content: bytes) -> Operation:
    async def act(registry: Registry, _: Client) -> str:
        return str(await registry.resolve_manifest(APP, Digest.of(content)))

    return found("HEAD manifest", act)


def image_of(layer: bytes) -> Operation:
    return push("push", APP, image_manifest(layer), "new")


def mounted(content: bytes, source: str | None) -> Operation:
    return mount("mount", "fresh", content, source)


WRITERS = {
    "HEAD": looked_for(UNUSED),
    "HEAD, push": then("p", looked_for(UNUSED), image_of(UNUSED)),
    "HEAD of a large blob, push": then("p", looked_for(LARGE_UNUSED), image_of(LARGE_UNUSED)),
    "PUT": upload("u", APP, [], LOOSE),
    "PUT, large": upload("u", APP, [], LARGE_LOOSE),
    "PATCH": upload("u", APP, [LOOSE]),
    "PATCH, large": upload("u", APP, [LARGE_LOOSE]),
    "two PATCHes": upload("u", APP, [LARGE_LOOSE[:40], LARGE_LOOSE[40:]]),
    "PUT, push": then("p", upload("u", APP, [], LOOSE), image_of(LOOSE)),
    "PATCH, push": then("p", upload("u", APP, [LARGE_LOOSE]), image_of(LARGE_LOOSE)),
    "staged": staged("s", APP, [LARGE_LOOSE[:40], LARGE_LOOSE[40:]]),
    "staged, push": then("p", staged("s", APP, [LOOSE]), image_of(LOOSE)),
    "direct": direct("d", APP, LARGE_LOOSE),
    "direct, push": then("p", direct("d", APP, LOOSE), image_of(LOOSE)),
    "mount from anywhere": mounted(LOOSE, None),
    "mount from a source": mounted(UNUSED, APP),
    "mount, push": then(
        "p",
        mounted(UNUSED, APP),
        mounted(CONFIG, APP),
        push("push", "fresh", image_manifest(UNUSED), "new"),
    ),
    "push again": push("p", APP, BASE, "v9"),
    "a blob deleted": delete_blob("d", APP, UNUSED),
    "a manifest deleted": delete("d", APP, Digest.of(BASE)),
    "a tag deleted": delete("d", APP, "v1"),
    "a pull": read("r", APP, "v1"),
}
OF_UNTAGGED = {
    "HEAD manifest": manifest_looked_for(LONELY),
    "push, GET manifest, index": then(
        "p",
        push("p", APP, BASE, "v1"),
        read("r", APP, Digest.of(LONELY)),
        push("p", APP, image_index(LONELY), "multi"),
    ),
    "an index of an untagged manifest": push("p", APP, image_index(ORPHAN), "multi"),
    "an index of one with a layer of its own": push("p", APP, image_index(LONELY), "multi"),
    "HEAD manifest, index": then(
        "p", manifest_looked_for(LONELY), push("p", APP, image_index(LONELY), "multi")
    ),
    "an untagged manifest tagged": push("p", APP, LONELY, "v7"),
    "an untagged manifest pushed by digest": push("p", APP, LONELY),
    "a referrer": push("p", APP, NEW_REFERRER),
    "two tags": push("p", APP, NEW, "v7", "v8"),
    "an untagged manifest deleted": delete("d", APP, Digest.of(LONELY)),
}


class Case(NamedTuple):
    """``start``: see `CollectionChecker`. ``faulty``: the number of the one with a fault."""

    name: str
    operations: tuple[Operation, ...]
    start: str
    faulty: int | None = None
    options: GcOptions = OPTIONS
    make: Make = uncached
    switches: int = 3

    def __str__(self) -> str:
        fault = {None: "", 0: ", a fault in it", 1: ", a fault in the run"}[self.faulty]
        return f"{self.name}, {self.start}{fault}"


COLLECTION, OF_ALL = collection(OPTIONS), collection(UNTAGGED)
BESIDE = [
    Case(name, (writer, run), start, faulty, options)
    for writers, run, options in ((WRITERS, COLLECTION, OPTIONS), (OF_UNTAGGED, OF_ALL, UNTAGGED))
    for name, writer in writers.items()
    for start in ("garbage", "condemned")
    for faulty in (None, 0, 1)
]
BESIDE += [Case("a repair", (repair(), COLLECTION), "incomplete", fault) for fault in (None, 0, 1)]
CACHED = [
    Case(f"{name}, cached", (writer, run), start, None, options, caching)
    for writers, run, options in ((WRITERS, COLLECTION, OPTIONS), (OF_UNTAGGED, OF_ALL, UNTAGGED))
    for name, writer in writers.items()
    for start in ("garbage", "condemned")
]
THREE = [
    Case(
        "a mount from a source that is deleted",
        (mounted(LOOSE, APP), delete_blob("d", APP, LOOSE), COLLECTION),
        "linked_anew",
        make=without_trash,
    ),
    Case(
        "an upload and a mount",
        (upload("u", APP, [], LOOSE), mounted(LOOSE, None), COLLECTION),
        "condemned",
    ),
    Case("a push and two runs", (image_of(UNUSED), COLLECTION, COLLECTION), "condemned"),
    Case("an upload and two runs", (upload("u", APP, [], LOOSE), *[COLLECTION] * 2), "condemned"),
    Case(
        "a manifest tagged and deleted",
        (push("p", APP, LONELY, "v7"), delete("d", APP, Digest.of(LONELY)), OF_ALL),
        "condemned",
        None,
        UNTAGGED,
    ),
    Case(
        "an index and its child deleted",
        (
            push("p", APP, image_index(LONELY), "multi"),
            delete("d", APP, Digest.of(LONELY), takes=True),
            OF_ALL,
        ),
        "condemned",
        None,
        UNTAGGED,
    ),
]
CASES = [*BESIDE, *CACHED, *THREE]


@cache
def beside(case: Case, cap: int) -> CollectionChecker:
    with scene() as begin:
        checker = CollectionChecker(begin, case.options, case.make)
        checker.beside(
            getattr(checker, case.start),
            case.operations,
            faulty=() if case.faulty is None else [case.faulty],
            switches=case.switches,
            cap=cap,
        )
        checker.forget()
    return checker


@cache
def cut_short(start: str, options: GcOptions, cap: int) -> CollectionChecker:
    with scene() as begin:
        checker = CollectionChecker(begin, options)
        checker.cut_short(getattr(checker, start), cap=cap)
        checker.forget()
    return checker


@CAPS
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_collection_takes_nothing_that_a_writer_relies_on(case: Case, cap: int) -> None:
    found = beside(case, cap).found
    assert not found, f"{len(found)} times, first {found[0]}"


@CAPS
@pytest.mark.timeout(900)
@pytest.mark.parametrize("options", [OPTIONS, UNTAGGED], ids=["unreferenced", "untagged"])
@pytest.mark.parametrize("start", ["garbage", "condemned"])
def test_a_run_may_end_at_any_call_and_later_runs_do_the_rest(
    start: str, options: GcOptions, cap: int
) -> None:
    found = cut_short(start, options, 2 * cap).found
    assert not found, f"{len(found)} times, first {found[0]}"


@CAPS
@pytest.mark.timeout(3600)
def test_enough_moments_were_checked(cap: int, capsys: pytest.CaptureFixture[str]) -> None:
    checkers = [beside(case, cap) for case in CASES]
    runs = [
        cut_short(start, each, 2 * cap)
        for start in ("garbage", "condemned")
        for each in (OPTIONS, UNTAGGED)
    ]
    with capsys.disabled():
        sys.stdout.write(f"\nwriters beside collections of garbage: {summary(checkers)}\n")
        sys.stdout.write(f"runs cut short: {summary(runs)}\n")
    assert sum(checker.moments for checker in checkers) >= LEAST_MOMENTS
    assert sum(checker.acknowledged for checker in checkers) >= LEAST_ACKNOWLEDGED
