"""Two concurrent operations on two instances, in every order of their store calls."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import pytest

from registry_core.registry import Upload
from registry_core.spec.digest import Digest
from tests.support.content import image_manifest

from .checks import Checker, Ending, summary
from .operations import (
    Operation,
    append,
    cancel,
    delete,
    delete_blob,
    finish,
    mount,
    push,
    read,
    upload,
)
from .scene import (
    BASE,
    CHILD,
    INDEX,
    LARGE,
    LATER,
    LAYER,
    NEIGHBOUR,
    NEIGHBOURS_LAYER,
    NEW,
    NEW_LAYER,
    NEW_REFERRER,
    NEWER,
    REFERRER,
    SMALL,
    Scene,
    scene,
)
from .scene import REPOSITORY as APP
from .staging import begun_direct, begun_staged, claim, finish_staged
from .world import State

Pair = tuple[State, Operation, Operation]
OF_BASE, OF_NEW = Digest.of(BASE), Digest.of(NEW)
OF_REFERRER = Digest.of(REFERRER)
NEIGHBOURS = image_manifest(LAYER, NEIGHBOURS_LAYER)
OF_NEIGHBOUR = Digest.of(NEIGHBOURS)
BARE = image_manifest(LAYER)
SAME_SIZE = LARGE[::-1]
LATEST_REFERRER = image_manifest(**{**json.loads(NEW_REFERRER), "annotations": {"the": "latest"}})
MOUNT = mount("mount", APP, NEIGHBOURS_LAYER, NEIGHBOUR)
LEAST_MOMENTS = 5000

CAPS = pytest.mark.parametrize("cap", [80, pytest.param(1000, marks=pytest.mark.nightly)])
"""The orders that are checked one by one; as many again are sampled at random."""


class Case(NamedTuple):
    """``begin`` returns the initial store and both operations."""

    name: str
    begin: Callable[[Scene], Pair]
    ending: Ending = Ending.IN_TURN


def on_ours(name: str, one: Operation, other: Operation, ending: Ending = Ending.IN_TURN) -> Case:
    return Case(name, lambda scene: (scene.ours, one, other), ending)


def on_sparse(name: str, one: Operation, other: Operation, ending: Ending = Ending.IN_TURN) -> Case:
    """Return a case over listings with empty and short pages."""
    return Case(name, lambda scene: (replace(scene.ours, sparse_pages=True), one, other), ending)


def on_theirs(name: str, one: Operation, other: Operation, ending: Ending = Ending.IN_TURN) -> Case:
    return Case(name, lambda scene: (scene.theirs, one, other), ending)


def on_upload(
    name: str,
    piece: bytes,
    one: Callable[[Upload], Operation],
    other: Callable[[Upload], Operation],
    ending: Ending = Ending.IN_TURN,
) -> Case:
    def begin(scene: Scene) -> Pair:
        start, begun = scene.begun(piece)
        return start, one(begun), other(begun)

    return Case(name, begin, ending)


def pushed(content: bytes, *tags: str) -> Operation:
    return push("push", APP, content, *tags)


def deleted(reference: str | Digest, repository: str = APP, *, takes: bool = False) -> Operation:
    return delete("delete", repository, reference, takes=takes)


def uploaded(*pieces: bytes, last: bytes = b"") -> Operation:
    return upload("upload", APP, pieces, last)


def appended(piece: bytes) -> Callable[[Upload], Operation]:
    return lambda begun: append("PATCH", begun, piece)


def finished(content: bytes, last: bytes = b"") -> Callable[[Upload], Operation]:
    return lambda begun: finish("PUT", begun, content, last)


def cancelled(begun: Upload) -> Operation:
    return cancel("cancel", begun)


def on_staged(
    name: str, one: Callable[[Upload], Operation], other: Callable[[Upload], Operation]
) -> Case:
    """Return a case of an upload whose blocks, `STAGED`, a client has staged before."""

    def begin(scene: Scene) -> Pair:
        start, begun = begun_staged(scene, STAGED)
        return start, one(begun), other(begun)

    return Case(name, begin, Ending.SEEN)


def on_direct(name: str, contents: Sequence[bytes], one: Operation, other: Operation) -> Case:
    """Return a case of contents that a client has put to storage before."""
    return Case(name, lambda scene: (begun_direct(scene, *contents), one, other), Ending.SEEN)


def staged_finished(begun: Upload) -> Operation:
    return finish_staged("finish", begun, STAGED)


STAGED = (LARGE, LATER)
SEEN, WHOLE = Ending.SEEN, Ending.WHOLE
READ = read("read", APP, "v1")
PUSHES = (
    on_ours("two manifests, a new tag", pushed(NEW, "v2"), pushed(NEWER, "v2")),
    on_ours("two manifests, a tag moved", pushed(NEW, "v1"), pushed(NEWER, "v1")),
    on_ours("a manifest twice, one tag", pushed(NEW, "v2"), pushed(NEW, "v2")),
    on_ours("a manifest twice, two tags", pushed(NEW, "v2"), pushed(NEW, "v3")),
    on_ours("push, its blob uploaded", pushed(NEW, "v2"), uploaded(NEW_LAYER)),
    on_ours("push, its blob mounted", pushed(NEW, "v2"), mount("mount", NEIGHBOUR, NEW_LAYER, APP)),
    on_ours("a tag moved and read", pushed(NEW, "v1"), READ),
    on_ours("a tag pushed again and read", pushed(BASE, "v1"), READ),
)
DELETIONS = (
    on_ours("tag moved, tag deleted", pushed(NEW, "v1"), deleted("v1")),
    on_ours("tag made, tag deleted", pushed(NEW, "v2"), deleted("v2"), SEEN),
    on_ours("tag pushed again, tag deleted", pushed(BASE, "v1"), deleted("v1")),
    on_ours("tag moved, its old manifest deleted", pushed(NEW, "v1"), deleted(OF_BASE)),
    on_ours("push again, manifest deleted", pushed(BASE, "v1"), deleted(OF_BASE), WHOLE),
    on_ours("push of another tag, manifest deleted", pushed(BASE, "v2"), deleted(OF_BASE), WHOLE),
    on_ours("push by digest, manifest deleted", pushed(BASE), deleted(OF_BASE), WHOLE),
    on_ours("push, manifest deleted at once", pushed(NEW, "v2"), deleted(OF_NEW), WHOLE),
    on_ours("manifest deleted twice", deleted(OF_BASE), deleted(OF_BASE), SEEN),
    on_ours("manifest deleted, tag deleted", deleted(OF_BASE), deleted("v1"), SEEN),
    on_ours("tag deleted twice", deleted("v1"), deleted("v1"), SEEN),
    on_ours("tag deleted and read", deleted("v1"), READ),
    on_ours("manifest deleted and its tag read", deleted(OF_BASE), READ),
    on_ours(
        "push of an index, a child deleted",
        pushed(INDEX, "multi"),
        deleted(Digest.of(CHILD), takes=True),
    ),
    on_ours(
        "push, its blob deleted",
        pushed(NEW, "v2"),
        delete_blob("delete", APP, NEW_LAYER),
    ),
    on_ours(
        "last manifest deleted, another pushed",
        deleted(OF_NEIGHBOUR, NEIGHBOUR),
        push("push", NEIGHBOUR, BARE, "v2"),
    ),
    on_ours(
        "last manifest deleted, pushed again",
        deleted(OF_NEIGHBOUR, NEIGHBOUR),
        push("push", NEIGHBOUR, NEIGHBOURS, "v1"),
        WHOLE,
    ),
)
SPARSE = (
    on_sparse("sparse: tag moved, tag deleted", pushed(NEW, "v1"), deleted("v1")),
    on_sparse("sparse: push again, deleted", pushed(BASE, "v1"), deleted(OF_BASE), WHOLE),
    on_sparse(
        "sparse: last manifest deleted, another pushed",
        deleted(OF_NEIGHBOUR, NEIGHBOUR),
        push("push", NEIGHBOUR, BARE, "v2"),
    ),
)
REFERRERS = (
    on_ours("referrer pushed, another deleted", pushed(NEW_REFERRER), deleted(OF_REFERRER)),
    on_ours("referrer pushed again, deleted", pushed(REFERRER), deleted(OF_REFERRER), WHOLE),
    on_ours("referrer pushed, subject deleted", pushed(NEW_REFERRER), deleted(OF_BASE)),
    on_ours("two referrers", pushed(NEW_REFERRER), pushed(LATEST_REFERRER)),
)
UPLOADS = (
    on_ours("a blob by PATCH and by PUT", uploaded(LARGE), uploaded(last=LARGE)),
    on_ours("a small blob by PATCH and by PUT", uploaded(SMALL), uploaded(last=SMALL)),
    on_ours("a large blob twice by PUT", uploaded(last=LARGE), uploaded(last=LARGE)),
    on_ours("mount and upload", uploaded(NEIGHBOURS_LAYER), MOUNT),
    on_upload("two PATCHes", LARGE, appended(LATER), appended(SMALL)),
    on_upload("two PATCHes after a small one", SMALL, appended(LATER), appended(LARGE)),
    on_upload("the same PATCH twice", LARGE, appended(LATER), appended(LATER)),
    on_upload("PATCH and cancel", LARGE, appended(LATER), cancelled),
    on_upload("PATCH after a small one and cancel", SMALL, appended(LATER), cancelled),
    on_upload("PATCH and PUT", LARGE, appended(LATER), finished(LARGE), WHOLE),
    on_upload("two PUTs", LARGE, finished(LARGE), finished(LARGE)),
    on_upload(
        "two PUTs of the rest",
        LARGE,
        finished(LARGE + SMALL, SMALL),
        finished(LARGE + SMALL, SMALL),
        SEEN,
    ),
    on_upload("PUT and cancel", LARGE, finished(LARGE), cancelled, SEEN),
)
STAGINGS = (
    on_staged("a staged upload finished twice", staged_finished, staged_finished),
    on_staged("a staged upload finished and cancelled", staged_finished, cancelled),
    on_staged(
        "a staged upload finished, its content uploaded",
        staged_finished,
        lambda _: uploaded(last=LARGE + LATER),
    ),
    on_direct("a direct upload claimed twice", [LARGE], claim("c", LARGE), claim("c", LARGE)),
    on_direct(
        "two of equal size claimed", [LARGE, SAME_SIZE], claim("c", LARGE), claim("c", SAME_SIZE)
    ),
    on_direct("a direct upload claimed, and uploaded", [LARGE], claim("c", LARGE), uploaded(LARGE)),
)
MIGRATIONS = (
    on_theirs("two manifests, a tag taken over", pushed(NEW, "v1"), pushed(NEWER, "v1")),
    on_theirs("a manifest twice, a tag taken over", pushed(BASE, "v1"), pushed(BASE, "v1")),
    on_theirs("a tag taken over and read", pushed(NEW, "v1"), READ),
    on_theirs("a tag taken over as it is and read", pushed(BASE, "v1"), READ),
    on_theirs("a tag taken over, its manifest read", pushed(BASE, "v1"), read("r", APP, OF_BASE)),
    on_theirs("a tag taken over and deleted", pushed(NEW, "v1"), deleted("v1")),
    on_theirs("a tag taken over, its manifest deleted", pushed(NEW, "v1"), deleted(OF_BASE)),
    on_theirs("a manifest taken over and deleted", pushed(BASE, "v1"), deleted(OF_BASE), WHOLE),
    on_theirs("a blob uploaded twice", uploaded(LAYER), uploaded(LAYER)),
    on_theirs("a blob uploaded, its image read", uploaded(LAYER), READ),
)
CASES = (*PUSHES, *DELETIONS, *SPARSE, *REFERRERS, *UPLOADS, *STAGINGS, *MIGRATIONS)


@cache
def checked(case: Case, cap: int) -> Checker:
    with scene() as begin:
        checker = Checker(begin.loop)
        start, one, other = case.begin(begin)
        checker.interleaved(start, (one, other), case.ending, cap)
    return checker


@CAPS
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_two_operations_at_the_same_time_end_as_if_one_had_come_after_the_other(
    case: Case, cap: int
) -> None:
    found = checked(case, cap).found
    assert not found, f"{len(found)} times, first {found[0]}"


@CAPS
@pytest.mark.timeout(900)
def test_enough_moments_were_checked(cap: int, capsys: pytest.CaptureFixture[str]) -> None:
    checkers = {case.name: checked(case, cap) for case in CASES}
    sampled = [name for name, checker in checkers.items() if checker.runs >= cap]
    with capsys.disabled():
        sys.stdout.write(f"\noperations interleaved: {summary([*checkers.values()])}\n")
        sys.stdout.write(f"not in every order, but in {2 * cap} runs: {sampled or 'none'}\n")
    assert sum(checker.moments for checker in checkers.values()) >= LEAST_MOMENTS
