"""The report of a collection as text: what went, what goes when, what stays and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from registry_core.cli.gc_report import MAX_SHOWN, has_problems, render
from registry_core.maintenance.gc.report import Action, GcReport, Item, Part
from registry_core.storage.layout import Layout
from tests.house.tree import PROJECT

BASE = Layout().base
STARTED = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
GRACE = timedelta(days=2)


def report(*, dry_run: bool = False) -> GcReport:
    return GcReport("20261128T093000Z-ab", STARTED, dry_run=dry_run, finished=True)


def lines(of: GcReport) -> list[str]:
    return render(of, container="registry", base=BASE, grace=GRACE).splitlines()


def test_a_run_without_garbage_is_a_few_lines() -> None:
    assert lines(report()) == [
        (
            "container registry: collection of garbage of 2026-11-28 09:30 UTC "
            "(run 20261128T093000Z-ab)"
        ),
        "  deleted                0  0 bytes freed",
        "  condemned              0  0 bytes",
        "  waiting                0  0 bytes; condemned by earlier runs",
        "complete",
    ]
    assert not has_problems(report())


def test_it_says_what_was_freed_and_when_the_condemned_go() -> None:
    of = report()
    content = of.parts[Part.CONTENT]
    content.examined, content.deleted, content.deleted_bytes = 1000, 12, 3 * 2**20
    content.condemned, content.condemned_bytes = 7, 1024
    links = of.parts[Part.LAYER_LINKS]
    links.examined, links.waiting, links.waiting_bytes = 2000, 5, 500
    links.pardoned = 1
    assert lines(of)[1:] == [
        "  deleted               12  3.0 MiB freed",
        "  condemned              7  1.0 KiB; deleted after 2026-11-30 09:30 UTC unless used",
        "  waiting                5  500 bytes; condemned by earlier runs",
        "  pardoned               1  condemned by earlier runs, and used again",
        "                          examined     deleted   condemned     waiting     refused",
        "  links of blobs             2,000           0           0           5           0",
        "  content                    1,000          12           7           0           0",
        "complete",
    ]
    assert not has_problems(of)


def test_what_stays_is_explained_and_a_problem() -> None:
    unswept, unread, opaque, refused = (report() for _ in range(4))
    unswept.unswept = "distribution writes to the container"
    unread.content_kept = "a link cannot be read"
    opaque.opaque["team/app"] = "a manifest cannot be read"
    refused.refuse(Part.CONTENT, f"{BASE}blobs/sha256/aa/aabb/data")
    assert "nothing that was condemned is deleted: distribution writes to the container" in lines(
        unswept
    )
    assert "no content is judged: a link cannot be read" in lines(unread)
    assert lines(opaque)[-3:-1] == [
        "repositories in which nothing is judged: 1",
        "  team/app: a manifest cannot be read",
    ]
    assert lines(refused)[-3:-1] == [
        "storage does not permit the change of 1 objects:",
        "  blobs/sha256/aa/aabb/data",
    ]
    for of in (unswept, unread, opaque, refused):
        assert has_problems(of)
        assert lines(of)[-1] == "complete, except for what is said above"


def test_what_stays_because_a_setting_says_so_is_no_problem() -> None:
    of = report()
    of.unswept = "REGISTRY_GC_SHARED is true"
    assert not has_problems(of, shared=True)
    text = render(of, container="registry", base=BASE, grace=GRACE, shared=True)
    assert text.splitlines()[-2:] == [
        "nothing that was condemned is deleted: REGISTRY_GC_SHARED is true",
        "complete",
    ]


def test_a_dry_run_lists_what_would_go_and_why() -> None:
    of = report(dry_run=True)
    of.parts[Part.CONTENT].condemned = of.parts[Part.TAGS].deleted = 1
    of.add(Item(Part.CONTENT, Action.CONDEMN, f"{BASE}blobs/x", "nothing references it", 2048))
    of.add(Item(Part.TAGS, Action.DELETE, f"{BASE}repositories/a", "rule at line 7"))
    of.parts[Part.CONTENT].waiting = 1
    due = (STARTED + timedelta(hours=3)).isoformat()
    of.add(Item(Part.CONTENT, Action.WAIT, f"{BASE}blobs/y", "nothing references it", 0, due))
    shown = lines(of)
    assert shown[0].endswith("(dry run, nothing is changed)")
    assert shown[1:4] == [
        "  would delete           1  0 bytes freed",
        "  would condemn          1  0 bytes; deleted after 2026-11-30 09:30 UTC unless used",
        "  waiting                1  0 bytes; condemned by earlier runs",
    ]
    assert shown[-7:-1] == [
        "would be deleted now: 1",
        "  repositories/a: rule at line 7",
        "condemned already; would be deleted later: 1",
        "  blobs/y: nothing references it; due 2026-11-28 12:30 UTC",
        "would be condemned now, and deleted later: 1",
        "  blobs/x (2.0 KiB): nothing references it",
    ]


def test_a_long_list_is_cut_short_and_says_so() -> None:
    of = report(dry_run=True)
    of.parts[Part.CONTENT].deleted = MAX_SHOWN + 5
    for number in range(MAX_SHOWN + 5):
        of.add(Item(Part.CONTENT, Action.DELETE, f"{BASE}blobs/{number}", "unreferenced"))
    assert lines(of)[-2] == "  ... and 5 more; --json lists them"
    assert len(lines(of)) < MAX_SHOWN + 12


@pytest.mark.parametrize(
    "stopped, verdict",
    [
        ("", "incomplete: the next run goes on from here"),
        ("a listing failed", "incomplete: a listing failed"),
    ],
)
def test_a_run_that_did_not_finish_says_so(stopped: str, verdict: str) -> None:
    of = report()
    of.finished, of.stopped = False, stopped
    assert has_problems(of)
    assert lines(of)[-1] == verdict


def test_every_kind_of_object_has_a_name() -> None:
    of = report()
    for count in of.parts.values():
        count.deleted = 1
    assert len(lines(of)) == 4 + 1 + len(Part) + 1


def test_the_documented_report_is_what_is_printed() -> None:
    of = GcReport("20261128T093000Z-0f3a1c92b7d40", STARTED, finished=True)
    content = of.parts[Part.CONTENT]
    content.examined = 88_120
    content.deleted, content.deleted_bytes = 1204, int(18.2 * 2**30)
    content.condemned, content.condemned_bytes = 310, int(4.1 * 2**30)
    content.waiting, content.waiting_bytes = 96, int(1.3 * 2**30)
    document = (PROJECT / "docs" / "garbage-collection.md").read_text()
    assert "```\n" + "\n".join(lines(of)) + "\n```\n" in document
