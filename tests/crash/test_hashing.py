"""Staged content whose hashing takes several requests, cut off anywhere and beside others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from registry_core.object_store.interface import ObjectStore
from registry_core.registry import Registry
from registry_core.storage import ranged_reads, staged_content
from registry_core.storage.stored_registry import StoredRegistry

from .checks import Checker, Ending
from .operations import Operation
from .scene import BLOCK, LARGE, LATER, REPOSITORY, Scene, scene
from .staging import begun_direct, begun_staged, claim, direct, finish_staged, staged
from .world import State

CONTENT = LARGE + LATER


def hurried(store: ObjectStore) -> Registry:
    """Return a registry whose requests have time to hash one range."""
    return StoredRegistry(
        store, manifest_cache_bytes=0, membership_seconds=0, hash_seconds=0, now=lambda: 0.0
    )


@contextmanager
def small_ranges() -> Iterator[Scene]:
    """A scene where a few bytes take several reads, and progress is recorded after each."""
    with scene() as begin, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranged_reads, "RANGE", BLOCK)
        patch.setattr(staged_content, "_RECORDED_AFTER", BLOCK)
        yield begin


@pytest.mark.parametrize(
    "operation",
    [staged("staged", REPOSITORY, [LARGE, LATER]), direct("direct", REPOSITORY, CONTENT)],
    ids=str,
)
def test_hashing_that_is_cut_short_tears_nothing_and_goes_on(operation: Operation) -> None:
    with small_ranges() as begin:
        checker = Checker(begin.loop, hurried)
        checker.cut_short(begin.ours, operation)
    assert not checker.found, f"{len(checker.found)} times, first {checker.found[0]}"
    assert checker.moments > 100


class Case(NamedTuple):
    name: str
    begin: Callable[[Scene], tuple[State, Operation, Operation]]


def _finished_twice(scene: Scene) -> tuple[State, Operation, Operation]:
    start, upload = begun_staged(scene, [LARGE, LATER])
    finish = finish_staged("finish", upload, [LARGE, LATER])
    return start, finish, finish


def _claimed_twice(scene: Scene) -> tuple[State, Operation, Operation]:
    return begun_direct(scene, CONTENT), claim("c", CONTENT), claim("c", CONTENT)


CASES = [Case("a staged upload", _finished_twice), Case("a direct upload", _claimed_twice)]


@pytest.mark.parametrize("cap", [60, pytest.param(1000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_two_instances_that_hash_the_same_content_end_as_one(case: Case, cap: int) -> None:
    with small_ranges() as begin:
        checker = Checker(begin.loop, hurried)
        start, one, other = case.begin(begin)
        checker.interleaved(start, (one, other), Ending.SEEN, cap)
    assert not checker.found, f"{len(checker.found)} times, first {checker.found[0]}"
    assert checker.moments > 100
