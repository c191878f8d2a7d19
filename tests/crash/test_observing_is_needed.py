"""The search finds it when a writer does not observe what it relies on: each, in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from registry_core.maintenance.doctor import repairs
from registry_core.maintenance.gc.options import GcOptions
from registry_core.object_store.interface import ObjectStore, Properties
from registry_core.spec.digest import Digest
from registry_core.storage import content, membership
from registry_core.storage.membership import Membership

from .collecting import (
    LOOSE,
    OPTIONS,
    UNTAGGED,
    CollectionChecker,
    collection,
    repair,
    warmed,
    without_trash,
)
from .operations import Operation, delete_blob
from .scene import REPOSITORY as APP
from .scene import caching, scene, uncached
from .schedule import Make
from .test_collected import OF_UNTAGGED, WRITERS, mounted

CAP, CLEAN_CAP = 200, 40


async def look_only(store: ObjectStore, path: str) -> Properties:
    return await store.head(path)


async def pardon_nothing(_store: ObjectStore, _path: str, found: Properties) -> Properties:
    return found


Fault = Callable[[pytest.MonkeyPatch], None]


def of_content(patch: pytest.MonkeyPatch) -> None:
    """What is looked for only, to be put only if it is missing."""
    patch.setattr(content, "observe", look_only)


def of_compared(patch: pytest.MonkeyPatch) -> None:
    """What is compared with what is put."""
    patch.setattr(content, "pardon", pardon_nothing)


def of_known(patch: pytest.MonkeyPatch) -> None:
    """Links, and the content of known ones."""
    patch.setattr(membership, "observe", look_only)


def of_linked_content(patch: pytest.MonkeyPatch) -> None:
    """The content behind a link that a mount copies."""

    async def trust(_self: Membership, _digest: Digest, _size: int | None) -> None:
        return

    patch.setattr(Membership, "_verify_content", trust)


def of_nothing(_: pytest.MonkeyPatch) -> None:
    """Nothing is left out."""


def of_repaired(patch: pytest.MonkeyPatch) -> None:
    """What a repair writes a link to."""
    patch.setattr(repairs, "observe", look_only)


def of_cached(patch: pytest.MonkeyPatch) -> None:
    """What a read has found condemned."""
    patch.setattr(membership, "is_condemned", lambda _: False)


class Case(NamedTuple):
    """A writer, and what is left out of it. ``starts``: see `CollectionChecker`."""

    name: str
    leave_out: Fault
    operations: tuple[Operation, ...]
    starts: tuple[str, ...] = ("garbage", "condemned")
    options: GcOptions = OPTIONS
    make: Make = uncached

    def __str__(self) -> str:
        return self.name


SWEEP = collection(OPTIONS)
CASES = [
    *(
        Case(name, leave_out, (WRITERS[name], SWEEP))
        for name, leave_out in (
            ("PUT", of_compared),
            ("PUT, large", of_content),
            ("PATCH", of_compared),
            ("PATCH, large", of_content),
            ("two PATCHes", of_content),
            ("HEAD", of_known),
            ("HEAD, push", of_known),
            ("mount from anywhere", of_known),
        )
    ),
    *(
        Case(name, of_known, (OF_UNTAGGED[name], collection(UNTAGGED)), options=UNTAGGED)
        for name in ("HEAD manifest", "an index of an untagged manifest", "HEAD manifest, index")
    ),
    Case(
        "an untagged manifest pulled, then an index",
        of_cached,
        (OF_UNTAGGED["push, GET manifest, index"], collection(UNTAGGED)),
        options=UNTAGGED,
        make=caching,
    ),
    Case(
        "mount from a source that is deleted",
        of_linked_content,
        (mounted(LOOSE, APP), delete_blob("delete", APP, LOOSE), SWEEP),
        ("linked_anew",),
        make=without_trash,
    ),
    Case("repair", of_repaired, (repair(), SWEEP), ("incomplete",)),
]


def searched(case: Case, start: str, patch: pytest.MonkeyPatch | None = None) -> Sequence[str]:
    """Return what the search finds; with ``patch``, once something is left out."""
    with scene() as begin:
        checker = CollectionChecker(begin, case.options, case.make)
        state = getattr(checker, start)
        promises = checker.promises(state, case.operations)
        if patch:
            case.leave_out(patch)
        cap = CAP if patch else CLEAN_CAP
        checker.beside(state, case.operations, promises=promises, cap=cap, until_found=True)
    return checker.found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_writer_that_does_not_observe_loses_what_it_acknowledged(case: Case) -> None:
    found = list[str]()
    for start in case.starts:
        with pytest.MonkeyPatch.context() as patch:
            found += searched(case, start, patch)
    assert found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_that_does_loses_nothing(case: Case) -> None:
    found = [text for start in case.starts for text in searched(case, start)]
    assert not found, found[0]


def test_a_cache_that_outlives_the_grace_loses_what_was_acknowledged() -> None:
    stale = Case("stale", of_nothing, (WRITERS["HEAD, push"], SWEEP), make=warmed)
    with pytest.MonkeyPatch.context() as patch:
        assert searched(stale, "condemned", patch)


@pytest.mark.parametrize("name", ["HEAD, push", "mount from a source", "mount, push", "push again"])
def test_a_cache_that_does_not_loses_nothing(name: str) -> None:
    warm = Case("warm", of_nothing, (WRITERS[name], SWEEP), make=warmed)
    assert not searched(warm, "garbage")
