"""The report of a collection of garbage as text: what went, what goes when, what stays and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from ..maintenance.gc.report import Action, GcReport, Item, Part, PartCount
from .options import printable
from .progress import format_minute, format_quantity

MAX_SHOWN = 20
"""How many items, or paths, of one kind the text shows."""

_NAMES: Mapping[Part, str] = {
    Part.LAYER_LINKS: "links of blobs",
    Part.MANIFESTS: "manifests",
    Part.CONTENT: "content",
    Part.TAGS: "tags",
    Part.HISTORY: "tag history",
    Part.REFERRERS: "referrers entries",
    Part.UPLOADS: "uploads",
    Part.CATALOG: "catalog entries",
    Part.TRASH: "trash",
    Part.QUARANTINE: "quarantine",
    Part.COLLECTIONS: "records of runs",
}
_HEADINGS: Mapping[Action, str] = {
    Action.DELETE: "would be deleted now",
    Action.WAIT: "condemned already; would be deleted later",
    Action.CONDEMN: "would be condemned now, and deleted later",
    Action.PARDON: "condemned, but used again: would be pardoned",
}


def render(
    report: GcReport, *, container: str, base: str, grace: timedelta, shared: bool = False
) -> str:
    """Return the report as text.

    :param base: the prefix of the registry's paths, which is left out of them.
    :param grace: that of the run.
    :param shared: as for `has_problems`.
    """
    lines = [_title(report, container), *_totals(report, grace), *_table(report)]
    lines += _kept(report, base)
    if report.dry_run:
        lines += _items(report, base)
    return "\n".join([*lines, _verdict(report, shared=shared)])


def has_problems(report: GcReport, *, shared: bool = False) -> bool:
    """Return whether the run is incomplete, or something stays until somebody does something.

    :param shared: a setting says that other registries write: nothing is deleted, on purpose.
    """
    if not report.finished:
        return True
    unswept = report.unswept and not shared
    return bool(unswept or report.content_kept or report.opaque or total(report, "refused"))


def total(report: GcReport, field: str) -> int:
    """Return the sum of a field of `PartCount` over all kinds of objects."""
    return sum(getattr(count, field) for count in report.parts.values())


def _title(report: GcReport, container: str) -> str:
    kind = "dry run, nothing is changed" if report.dry_run else f"run {report.run}"
    when = f" of {format_minute(report.started)}" if report.started else ""
    return f"container {container}: collection of garbage{when} ({kind})"


def _totals(report: GcReport, grace: timedelta) -> Iterator[str]:
    dry = report.dry_run
    size = format_quantity(report.deleted_bytes, "bytes")
    yield _line("would delete" if dry else "deleted", total(report, "deleted"), f"{size} freed")
    condemned = total(report, "condemned")
    due = f"; deleted after {_due(report.started, grace)} unless used"
    size = format_quantity(total(report, "condemned_bytes"), "bytes")
    verb = "would condemn" if dry else "condemned"
    yield _line(verb, condemned, size + (due if condemned else ""))
    size = format_quantity(total(report, "waiting_bytes"), "bytes")
    yield _line("waiting", total(report, "waiting"), f"{size}; condemned by earlier runs")
    if pardoned := total(report, "pardoned"):
        verb = "would pardon" if dry else "pardoned"
        yield _line(verb, pardoned, "condemned by earlier runs, and used again")


def _line(name: str, number: int, text: str) -> str:
    return f"  {name:14}{number:>10,}  {text}"


def _due(started: datetime | None, grace: timedelta) -> str:
    return format_minute(started + grace) if started else "the grace"


def _table(report: GcReport) -> Iterator[str]:
    columns = ("examined", "deleted", "condemned", "waiting", "refused")
    shown = {part: count for part, count in report.parts.items() if _changed(count)}
    if shown:
        yield "  " + " " * 20 + "".join(f"{name:>12}" for name in columns)
    for part, count in shown.items():
        numbers = "".join(f"{getattr(count, name):>12,}" for name in columns)
        yield f"  {_NAMES[part]:20}{numbers}"


def _changed(count: PartCount) -> bool:
    return any((count.condemned, count.waiting, count.pardoned, count.deleted, count.refused))


def _kept(report: GcReport, base: str) -> Iterator[str]:
    """Yield what stays although it may be garbage, and why."""
    if report.unswept:
        yield f"nothing that was condemned is deleted: {report.unswept}"
    if report.content_kept:
        yield f"no content is judged: {report.content_kept}"
    if report.opaque:
        yield f"repositories in which nothing is judged: {len(report.opaque):,}"
        reasons = (f"{name}: {reason}" for name, reason in sorted(report.opaque.items()))
        yield from _some(reasons, len(report.opaque))
    if refused := total(report, "refused"):
        yield f"storage does not permit the change of {refused:,} objects:"
        yield from _some((path.removeprefix(base) for path in report.refused), refused)


def _items(report: GcReport, base: str) -> Iterator[str]:
    for action, heading in _HEADINGS.items():
        items = [item for item in report.items if item.action is action]
        if items:
            number = _number(report, action)
            yield f"{heading}: {number:,}"
            yield from _some((_item(item, base) for item in items), number)


def _number(report: GcReport, action: Action) -> int:
    fields = {
        Action.DELETE: "deleted",
        Action.WAIT: "waiting",
        Action.CONDEMN: "condemned",
        Action.PARDON: "pardoned",
    }
    return total(report, fields[action])


def _item(item: Item, base: str) -> str:
    size = f" ({format_quantity(item.bytes, 'bytes')})" if item.bytes else ""
    due = f"; due {format_minute(datetime.fromisoformat(item.due))}" if item.due else ""
    return f"{item.path.removeprefix(base)}{size}: {item.reason}{due}"


def _some(texts: Iterable[str], number: int) -> Iterator[str]:
    shown = [text for text, _ in zip(texts, range(MAX_SHOWN), strict=False)]
    for text in shown:
        yield f"  {printable(text)}"
    if number > len(shown):
        yield f"  ... and {number - len(shown):,} more; --json lists them"


def _verdict(report: GcReport, *, shared: bool) -> str:
    if report.stopped:
        return f"incomplete: {report.stopped}"
    if not report.finished:
        return "incomplete: the next run goes on from here"
    stays = has_problems(report, shared=shared)
    return "complete, except for what is said above" if stays else "complete"
