"""Any operation, cut off at any of its store calls, leaves nothing torn or lost.

Each operation's process dies before, between and after its calls, concurrent ones in every order.
Each call fails, or takes place and its answer is lost, or is then repeated by the storage client.
After that the operation is repeated or continued, as clients do.
"""

import sys
from functools import cache
from typing import NamedTuple

import pytest

from registry_core.spec.digest import SHA512, Digest
from tests.support.content import image_manifest

from .checks import Checker, summary
from .operations import (
    Operation,
    cancelled,
    delete,
    delete_blob,
    mount,
    persistent,
    push,
    refused,
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
    OTHER,
    OURS,
    REFERRER,
    REPOSITORY,
    SMALL,
    THEIRS,
    caching,
    scene,
    uncached,
)
from .staging import cancelled_staged, direct, refused_staged, staged

NEIGHBOURS = Digest.of(image_manifest(LAYER, NEIGHBOURS_LAYER))
OPERATIONS = {
    operation.name: operation
    for operation in (
        upload("POST with digest", REPOSITORY, [], SMALL),
        upload("PUT of a large blob", REPOSITORY, [], LARGE),
        upload("PATCH small, PUT", REPOSITORY, [SMALL]),
        upload("PATCH small, PATCH more, PUT", REPOSITORY, [SMALL, LATER]),
        upload("PATCH small, PUT of the rest", REPOSITORY, [SMALL], b"the rest"),
        upload("PATCH large, PUT", REPOSITORY, [LARGE]),
        upload("two large PATCHes, PUT", REPOSITORY, [LARGE, LATER]),
        upload("PATCH large, PUT of the rest", REPOSITORY, [LARGE], SMALL),
        upload("PATCH small, PUT once", REPOSITORY, [SMALL], once=True),
        upload("PATCH large, PUT once", REPOSITORY, [LARGE], once=True),
        upload("PUT, sha512", REPOSITORY, [], LARGE, algorithm=SHA512),
        upload("PATCH small, PUT, sha512", REPOSITORY, [SMALL], algorithm=SHA512),
        upload("PATCH large, PUT, sha512", REPOSITORY, [LARGE], algorithm=SHA512),
        upload(
            "PATCH, PUT, sha512 as announced",
            REPOSITORY,
            [LARGE],
            SMALL,
            algorithm=SHA512,
            announced=SHA512,
        ),
        upload("blob that is there", REPOSITORY, [LAYER]),
        upload("large blob that is there elsewhere", REPOSITORY, [], NEIGHBOURS_LAYER),
        cancelled("small upload cancelled", REPOSITORY, SMALL),
        cancelled("large upload cancelled", REPOSITORY, LARGE),
        refused("PUT with a wrong digest", REPOSITORY, [], LARGE),
        refused("PATCH, PUT with a wrong digest", REPOSITORY, [LARGE], SMALL),
        staged("blocks staged", REPOSITORY, [LARGE, LATER]),
        staged("one block staged", REPOSITORY, [SMALL]),
        staged("blocks staged, sha512", REPOSITORY, [LARGE, LATER], algorithm=SHA512),
        staged("a blob staged that is there", REPOSITORY, [LAYER]),
        cancelled_staged("blocks staged, cancelled", REPOSITORY, [LARGE, LATER]),
        refused_staged("blocks staged, with a wrong digest", REPOSITORY, [LARGE, LATER]),
        direct("direct upload", REPOSITORY, LARGE),
        direct("direct upload of what is there elsewhere", REPOSITORY, NEIGHBOURS_LAYER),
        mount("mount", REPOSITORY, NEIGHBOURS_LAYER, NEIGHBOUR),
        mount("mount from anywhere", REPOSITORY, NEIGHBOURS_LAYER, None),
        push("push of a new tag", REPOSITORY, NEW, "v2"),
        push("tag moved", REPOSITORY, NEW, "v1"),
        push("tag moved to an older manifest", REPOSITORY, OTHER, "v1"),
        push("push of what is there", REPOSITORY, BASE, "v1"),
        push("push by digest", REPOSITORY, NEW),
        push("push by sha512", REPOSITORY, NEW, algorithm=SHA512),
        push("push with two tags", REPOSITORY, NEW, "v1", "v2"),
        push("push of a referrer", REPOSITORY, NEW_REFERRER),
        push("push of an index", REPOSITORY, INDEX, "multi"),
        delete("tag deleted", REPOSITORY, "v1"),
        delete("manifest with two tags deleted", REPOSITORY, Digest.of(BASE)),
        delete("referrer deleted", REPOSITORY, Digest.of(REFERRER)),
        delete("manifest without tags deleted", REPOSITORY, Digest.of(CHILD)),
        delete("last manifest deleted", NEIGHBOUR, NEIGHBOURS),
        delete_blob("blob deleted", REPOSITORY, NEW_LAYER),
    )
}
LEAST_MOMENTS = 3000


class Case(NamedTuple):
    operation: str
    written_by: str
    stays: bool = False
    """The client tries again with the same instance, which has cached what it saw."""


CASES = [
    *(Case(name, by) for name in OPERATIONS for by in (OURS, THEIRS)),
    *(Case(name, OURS, stays=True) for name in OPERATIONS),
]


@cache
def checked(case: Case) -> Checker:
    operation: Operation = OPERATIONS[case.operation]
    with scene() as begin:
        checker = Checker(begin.loop, caching if case.stays else uncached)
        start = begin.start(case.written_by)
        checker.cut_short(start, persistent(operation) if case.stays else operation)
    return checker


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_an_operation_that_is_cut_short_tears_nothing_and_can_be_repeated(
    case: Case,
) -> None:
    found = checked(case).found
    assert not found, f"{len(found)} times, first {found[0]}"


def test_enough_moments_were_checked(capsys: pytest.CaptureFixture[str]) -> None:
    checkers = [checked(case) for case in CASES]
    with capsys.disabled():
        sys.stdout.write(f"\noperations cut short: {summary(checkers)}\n")
    assert sum(checker.moments for checker in checkers) >= LEAST_MOMENTS
