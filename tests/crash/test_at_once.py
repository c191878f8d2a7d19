"""Two or three operations at the same time, no fault: whatever was acknowledged stays."""

import sys
from functools import cache
from typing import NamedTuple

import pytest

from registry_core.spec.digest import Digest
from tests.support.content import image_manifest

from .checks import Checker, summary
from .operations import Operation, delete, push
from .scene import BASE, LAYER, NEIGHBOUR, NEIGHBOURS_LAYER, scene
from .test_disturbed import (
    BASE_AS_V2,
    BASE_DELETED,
    REFERRER_AGAIN,
    REFERRER_DELETED,
    SWITCHES,
    V1_AGAIN,
    V1_DELETED,
)

LEAST_MOMENTS = 20_000

CAPS = pytest.mark.parametrize("cap", [250, pytest.param(5000, marks=pytest.mark.nightly)])
"""The orders that are checked one by one; as many again are sampled at random."""

LAST_DELETED = delete("delete", NEIGHBOUR, Digest.of(image_manifest(LAYER, NEIGHBOURS_LAYER)))


class Case(NamedTuple):
    """``switches``: how often one that could go on has to wait: see `Explorer`."""

    name: str
    operations: tuple[Operation, ...]
    switches: int = SWITCHES


REFERRER = Case("a referrer deleted, pushed again", (REFERRER_AGAIN, REFERRER_DELETED), 5)

CASES = [
    REFERRER,
    Case("a manifest deleted twice, pushed by another tag", (BASE_DELETED,) * 2 + (BASE_AS_V2,)),
    Case("a manifest deleted twice, pushed again", (BASE_DELETED,) * 2 + (V1_AGAIN,)),
    Case("a referrer deleted twice, pushed again", (REFERRER_DELETED,) * 2 + (REFERRER_AGAIN,)),
    Case("a manifest deleted, its tag deleted, pushed", (BASE_DELETED, V1_DELETED, V1_AGAIN)),
    Case("a manifest deleted, pushed twice", (BASE_AS_V2, V1_AGAIN, BASE_DELETED)),
    Case(
        "the last manifest deleted twice, another pushed",
        (LAST_DELETED,) * 2 + (push("push", NEIGHBOUR, BASE, "v2"),),
    ),
]


@cache
def checked(case: Case, cap: int) -> Checker:
    with scene() as begin:
        checker = Checker(begin.loop)
        checker.at_once(begin.ours, case.operations, switches=case.switches, cap=cap)
    return checker


@CAPS
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_of_operations_at_the_same_time_what_is_acknowledged_stays(case: Case, cap: int) -> None:
    found = checked(case, cap).found
    assert not found, f"{len(found)} times, first {found[0]}"


@CAPS
@pytest.mark.timeout(900)
def test_enough_moments_were_checked(cap: int, capsys: pytest.CaptureFixture[str]) -> None:
    checkers = [checked(case, cap) for case in CASES]
    with capsys.disabled():
        sys.stdout.write(f"\noperations at once: {summary(checkers)}\n")
    assert sum(checker.moments for checker in checkers) >= LEAST_MOMENTS
