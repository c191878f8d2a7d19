"""Two operations and one fault: whatever was acknowledged stays.

One call of one of the operations fails, loses its answer, or is late: its operation gets no answer,
and it takes place at any later moment. So the operation answers 503, or tries again.
"""

import sys
from functools import cache
from typing import NamedTuple

import pytest

from registry_core.spec.digest import Digest

from .checks import Checker, summary
from .operations import Operation, delete, delete_blob, mount, push, upload
from .scene import (
    BASE,
    CHILD,
    INDEX,
    LARGE,
    LAYER,
    NEIGHBOUR,
    NEIGHBOURS_LAYER,
    NEW,
    NEW_LAYER,
    NEW_REFERRER,
    NEWER,
    OURS,
    REFERRER,
    THEIRS,
    scene,
)
from .scene import REPOSITORY as APP

LEAST_MOMENTS = 20_000

# The one that has to wait for the other, although it could go on, has to wait twice at most: that
# suffices for the faults that the search is known to find. In the nightly run, all such orders.
SWITCHES = 2
CAPS = pytest.mark.parametrize("cap", [200, pytest.param(10**9, marks=pytest.mark.nightly)])
"""The orders that are checked one by one; as many again are sampled at random."""


class Case(NamedTuple):
    """Two operations; ``faulty`` is the number of the one whose call fails.

    ``written_by``: who wrote what is there before.
    """

    name: str
    one: Operation
    other: Operation
    faulty: int = 0
    written_by: str = OURS

    def __str__(self) -> str:
        return f"{self.name}-{self.faulty}-{self.written_by}"


def pushed(content: bytes, *tags: str) -> Operation:
    return push("push", APP, content, *tags)


def deleted(content: bytes, *, takes: bool = False) -> Operation:
    return delete("delete", APP, Digest.of(content), takes=takes)


V1_MOVED, V1_MOVED_ON = pushed(NEW, "v1"), pushed(NEWER, "v1")
V1_AGAIN, V1_DELETED = pushed(BASE, "v1"), delete("untag", APP, "v1")
BASE_AS_V2, BASE_DELETED = pushed(BASE, "v2"), deleted(BASE)
NEW_BLOB = upload("upload", APP, [], NEW_LAYER)
NEW_BLOB_DELETED = delete_blob("delete", APP, NEW_LAYER)
REFERRER_AGAIN, REFERRER_DELETED = pushed(REFERRER), deleted(REFERRER)
MOUNTED = mount("mount", APP, NEIGHBOURS_LAYER, NEIGHBOUR)
LAST_DELETED = delete("delete", NEIGHBOUR, "v1")

PAIRS = {
    "a tag moved twice": (V1_MOVED, V1_MOVED_ON),
    "a tag moved, deleted": (V1_MOVED, V1_DELETED),
    "a tag pushed again, deleted": (V1_AGAIN, V1_DELETED),
    "a tag moved, its manifest deleted": (V1_MOVED, BASE_DELETED),
    "pushed again, deleted": (V1_AGAIN, BASE_DELETED),
    "another tag, manifest deleted": (BASE_AS_V2, BASE_DELETED),
    "pushed by digest, deleted": (pushed(BASE), BASE_DELETED),
    "new manifest pushed, deleted": (pushed(NEW, "v2"), deleted(NEW)),
    "referrer pushed again, deleted": (REFERRER_AGAIN, REFERRER_DELETED),
    "referrer pushed, another deleted": (pushed(NEW_REFERRER), REFERRER_DELETED),
    "index pushed, child deleted": (pushed(INDEX, "multi"), deleted(CHILD, takes=True)),
    "blob uploaded, deleted": (NEW_BLOB, NEW_BLOB_DELETED),
    "manifest pushed, blob deleted": (pushed(NEW, "v2"), NEW_BLOB_DELETED),
    "blob mounted, deleted": (MOUNTED, delete_blob("delete", APP, NEIGHBOURS_LAYER)),
    "large blob uploaded twice": (upload("PATCH", APP, [LARGE]), upload("PUT", APP, [], LARGE)),
    "manifest deleted twice": (BASE_DELETED, BASE_DELETED),
}
TAKEN_OVER = ("another tag, manifest deleted", "blob uploaded, deleted")
DISTURBED = [
    *(Case(name, *pair, faulty) for name, pair in PAIRS.items() for faulty in (0, 1)),
    *(Case(name, *PAIRS[name], faulty, THEIRS) for name in TAKEN_OVER for faulty in (0, 1)),
]

IN_TURN = {
    "a tag moved, moved on": (V1_MOVED, V1_MOVED_ON),
    "a tag moved, moved back": (V1_MOVED, V1_AGAIN),
    "a tag deleted, pushed again": (V1_DELETED, V1_AGAIN),
    "a tag deleted, moved": (V1_DELETED, V1_MOVED),
    "a manifest deleted, pushed again": (BASE_DELETED, V1_AGAIN),
    "a manifest deleted, another tag": (BASE_DELETED, BASE_AS_V2),
    "a referrer deleted, pushed again": (REFERRER_DELETED, REFERRER_AGAIN),
    "a blob deleted, uploaded again": (NEW_BLOB_DELETED, NEW_BLOB),
    "a blob deleted, mounted again": (
        delete_blob("delete", NEIGHBOUR, LAYER),
        mount("mount", NEIGHBOUR, LAYER, APP),
    ),
    "the last tag deleted, a manifest pushed": (
        LAST_DELETED,
        push("push", NEIGHBOUR, BASE, "v2"),
    ),
}
LATE = [Case(name, *pair, written_by=by) for name, pair in IN_TURN.items() for by in (OURS, THEIRS)]


@cache
def disturbed(case: Case, cap: int) -> Checker:
    with scene() as begin:
        checker = Checker(begin.loop)
        checker.disturbed(
            begin.start(case.written_by),
            (case.one, case.other),
            case.faulty,
            switches=SWITCHES,
            cap=cap,
        )
    return checker


@cache
def late(case: Case, cap: int) -> Checker:
    with scene() as begin:
        checker = Checker(begin.loop)
        checker.late(begin.start(case.written_by), (case.one, case.other), cap)
    return checker


@CAPS
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", DISTURBED, ids=str)
def test_what_is_acknowledged_stays_though_a_call_of_one_operation_fails(
    case: Case, cap: int
) -> None:
    found = disturbed(case, cap).found
    assert not found, f"{len(found)} times, first {found[0]}"


@CAPS
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", LATE, ids=str)
def test_a_late_request_undoes_nothing_that_was_acknowledged_since(case: Case, cap: int) -> None:
    found = late(case, cap).found
    assert not found, f"{len(found)} times, first {found[0]}"


@CAPS
@pytest.mark.timeout(3600)
def test_enough_moments_were_checked(cap: int, capsys: pytest.CaptureFixture[str]) -> None:
    faulty = [disturbed(case, cap) for case in DISTURBED]
    in_turn = [late(case, cap) for case in LATE]
    with capsys.disabled():
        sys.stdout.write(f"\ntwo operations and one fault: {summary(faulty)}\n")
        sys.stdout.write(f"an operation after another with a late call: {summary(in_turn)}\n")
    assert sum(checker.moments for checker in (*faulty, *in_turn)) >= LEAST_MOMENTS
