"""What copies have done, as text and as JSON, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ..maintenance.walk import Progress
from ..spec.digest import Digest
from ..transfer.locations import Location
from ..transfer.progress import CopyProgress
from ..transfer.report import NOTHING, Amount, CopyReport, Outcome
from ..transfer.sync import EntryReport
from .options import printable
from .progress import format_quantity, show_progress
from .registry_commands import describe

_WORDS = {
    Outcome.COPIED: "copied",
    Outcome.FETCHED: "fetched by storage",
    Outcome.MOUNTED: "mounted",
    Outcome.PRESENT: "already there",
    Outcome.ABSENT: "not distributed",
}
_MOVED = frozenset({Outcome.COPIED, Outcome.FETCHED})


@contextmanager
def show_copies(*, quiet: bool) -> Iterator[Callable[[str, CopyProgress], None]]:
    """Return a context whose value shows progress, of what the text names."""
    if quiet:
        yield lambda _stage, _progress: None
        return
    with show_progress() as show:

        def show_copy(stage: str, progress: CopyProgress) -> None:
            done, total = progress.total_done, progress.total_size
            show(Progress(printable(stage), done, total, "bytes"))

        yield show_copy


def render(report: CopyReport, target: Location, digest: Digest | None = None) -> str:
    """Return a report as text: a line for each tag, and a summary.

    :param digest: what was copied, if it was named so: it is shown where no tag was set.
    """
    return "\n".join([*_tags(report, target, digest), summarize([report])])


def _tags(report: CopyReport, target: Location, digest: Digest | None) -> Iterator[str]:
    where = target.whole()
    if digest and not report.tags and not report.present_tags:
        yield f"{where}@{digest}"
    will = "would point to" if report.dry_run else "points to"
    for tag, found in report.tags.items():
        yield printable(f"{where}:{tag} {will} {found}")
    for tag, found in report.present_tags.items():
        yield printable(f"{where}:{tag} points to {found}, as before")


def summarize(reports: Sequence[CopyReport]) -> str:
    """Return the amounts of all reports in a line."""
    parts = [
        f"{noun} {_amounts(_sum([getattr(report, noun) for report in reports]))}"
        for noun in ("manifests", "blobs")
    ]
    dry_run = any(report.dry_run for report in reports)
    return f"{'dry run, nothing is written: ' if dry_run else ''}{'; '.join(parts)}"


def _sum(all_amounts: Sequence[Mapping[Outcome, Amount]]) -> Mapping[Outcome, Amount]:
    return {
        outcome: sum((amounts.get(outcome, NOTHING) for amounts in all_amounts), NOTHING)
        for outcome in Outcome
    }


def _amounts(amounts: Mapping[Outcome, Amount]) -> str:
    shown = [
        f"{amount.number:,} {_WORDS[outcome]}"
        + (f" ({format_quantity(amount.size, 'bytes')})" if outcome in _MOVED else "")
        for outcome, amount in amounts.items()
        if amount.number
    ]
    return ", ".join(shown) or "none"


def failures(report: CopyReport, target: Location) -> Iterator[str]:
    """Yield a line for each tag that could not be copied."""
    for tag, error in report.failures.items():
        yield f"{target.whole()}:{tag} was not copied: {describe(error)}"


def line_of_bytes(report: CopyReport) -> str:
    """Return how many bytes storage has fetched, and how many have passed through here."""
    fetched = report.blobs.get(Outcome.FETCHED, NOTHING).size
    will = "would fetch" if report.dry_run else "fetched"
    return (
        f"storage {will} {format_quantity(fetched, 'bytes')}; over this machine's line: "
        f"{format_quantity(report.bytes_read, 'bytes')}"
    )


def render_entry(report: EntryReport) -> str:
    """Return what became of an entry of a document as a line of text."""
    done = summarize(report.copies) if report.copies else "nothing was copied"
    tags = sum(len(copy.tags) for copy in report.copies)
    same = sum(len(copy.present_tags) for copy in report.copies)
    return printable(f"{report.entry}: tags {tags:,} set, {same:,} as before; {done}")


def entry_problems(report: EntryReport) -> Iterator[str]:
    """Yield a line for each thing that could not be copied, or that matches nothing."""
    at = f"line {report.entry.line}"
    for what, error in report.failures.items():
        yield f"{at}: {what}: {describe(error)}"
    for copy in report.copies:
        for tag, error in copy.failures.items():
            yield f"{at}: {copy.source}:{tag}: {describe(error)}"
    for where in report.unmatched:
        yield f"{at}: {where}: nothing matches"


def entry_to_json(report: EntryReport) -> Mapping[str, object]:
    """Return what became of an entry as a JSON object."""
    return {
        "line": report.entry.line,
        "source": str(report.entry.what.source),
        "target": str(report.entry.what.target),
        "copies": [copy.to_json() for copy in report.copies],
        "failures": {
            what: {"code": str(error.code), "message": describe(error)}
            for what, error in report.failures.items()
        },
        "unmatched": list(report.unmatched),
    }
