"""The doctor called in, and what it is expected to say."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from registry_core.maintenance.doctor import Options, Progress, Report, Trouble, examine
from registry_core.object_store.interface import ObjectStore


async def look(store: ObjectStore, **options: Any) -> Report:
    """The report on a container in which nobody is at work."""
    report = Report()
    await examine(store, report, Options(**{"grace": timedelta(0)} | options), ignore)
    return report


async def expect(store: ObjectStore, *troubles: Trouble, **options: Any) -> Report:
    """A look that finds exactly these troubles, one finding each, and changes nothing."""
    report = await look(store, **options)
    assert report.found == Counter(troubles), report.findings
    assert not report.repaired
    return report


async def cure(store: ObjectStore, *troubles: Trouble, **options: Any) -> Report:
    """A look that finds exactly these, a repair of all of them, and a clean report after it."""
    found = await expect(store, *troubles, **options)
    assert all(finding.repairable for finding in found.findings)
    report = await look(store, repair=True, **options)
    assert report.repaired == report.found == Counter(troubles), report.findings
    assert all(finding.repaired for finding in report.findings)
    await expect(store, **options)
    return report


async def leave(store: ObjectStore, *troubles: Trouble, **options: Any) -> None:
    """A look that finds exactly these, and a repair that can do nothing about them."""
    found = await expect(store, *troubles, **options)
    assert not any(finding.repairable for finding in found.findings)
    report = await look(store, repair=True, **options)
    assert report.found == Counter(troubles)
    assert report.left == len(troubles)


def ignore(progress: Progress) -> None:
    """For whom it does not matter how far it is."""
