"""Running the doctor on a store, and what tests expect of its report."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import timedelta
from typing import Any

from registry_core.maintenance.doctor import DoctorOptions, DoctorReport, Problem, examine
from registry_core.maintenance.walk import Progress
from registry_core.object_store.interface import BLOCK_ID_LENGTH, ObjectStore


async def examine_store(store: ObjectStore, **options: Any) -> DoctorReport:
    """Return the report on a container that nobody else is using. ``options``: `DoctorOptions`."""
    report = DoctorReport()
    options = {"grace": timedelta(0)} | options
    await examine(store, report, DoctorOptions(**options), ignore_progress)
    return report


async def expect_problems(store: ObjectStore, *problems: Problem, **options: Any) -> DoctorReport:
    """Examine a store; exactly these problems are found, one finding each, and none repaired."""
    report = await examine_store(store, **options)
    assert report.found == Counter(problems), report.findings
    assert not report.repaired
    return report


async def expect_repaired(store: ObjectStore, *problems: Problem, **options: Any) -> DoctorReport:
    """Examine a store; exactly these problems are found, repaired, and not found again."""
    found = await expect_problems(store, *problems, **options)
    assert all(finding.repairable for finding in found.findings)
    report = await examine_store(store, repair=True, **options)
    assert report.repaired == report.found == Counter(problems), report.findings
    assert all(finding.repaired for finding in report.findings)
    await expect_problems(store, **options)
    return report


async def expect_unrepairable(store: ObjectStore, *problems: Problem, **options: Any) -> None:
    """Examine a store; exactly these problems are found, and a repair leaves them."""
    found = await expect_problems(store, *problems, **options)
    assert not any(finding.repairable for finding in found.findings)
    report = await examine_store(store, repair=True, **options)
    assert report.found == Counter(problems)
    assert report.remaining == len(problems)


async def stage(store: ObjectStore, path: str, *blocks: bytes) -> None:
    """Stage blocks, one of a byte by default, and do not commit them."""
    for number, block in enumerate(blocks or (b"1",)):
        md5 = hashlib.md5(block, usedforsecurity=False).digest()
        await store.stage(path, f"{number:0{BLOCK_ID_LENGTH}}", block, md5=md5)


def ignore_progress(progress: Progress) -> None:
    """Accept progress that a test does not look at."""
