"""The doctor's report as text."""

from __future__ import annotations

from collections.abc import Iterator

from ..maintenance.doctor import Finding, Report, Trouble

_MOST_SHOWN = 20  # findings of one kind
_DAY = 86400


def render(report: Report, container: str, *, verify: bool) -> str:
    """``verify``: whether all content was to be hashed."""
    lines = [f"container {container}: {_form(report)}"]
    if report.number_of_objects:
        lines += _inventory(report, verify=verify)
    for trouble in Trouble:
        if report.found[trouble]:
            lines += _findings(report, trouble)
    return "\n".join([*lines, _verdict(report)])


def quantity(number: int, unit: str) -> str:
    """A number of objects, or bytes in the unit that people read best."""
    if unit != "bytes":
        return f"{number:,} {unit}"
    size, units = float(number), iter(("bytes", "KiB", "MiB", "GiB", "TiB"))
    name = next(units)
    while size >= 1024 and name != "TiB":
        size, name = size / 1024, next(units)
    return f"{number} bytes" if name == "bytes" else f"{size:.1f} {name}"


def _form(report: Report) -> str:
    if not report.number_of_objects:
        return "empty"
    if not report.roots:
        return "no registry in it"
    forms = {"": "names without a leading slash", "/": "names with a leading slash"}
    return " and ".join(forms.get(root, f"names that begin with {root!r}") for root in report.roots)


def _inventory(report: Report, *, verify: bool) -> Iterator[str]:
    yield f"  {'':16}{'block blobs':>14}{'append blobs':>14}{'bytes':>14}"
    for kind, tally in report.objects.items():
        if tally.block or tally.append:
            size = quantity(tally.bytes, "bytes")
            yield f"  {kind.replace('_', ' '):16}{tally.block:>14,}{tally.append:>14,}{size:>14}"
    yield (
        f"repositories {report.repositories:,}, manifests {report.manifests:,}, "
        f"tags {report.tags:,}"
    )
    uploads = report.uploads
    if uploads.number:
        yield (
            f"uploads {uploads.number:,}, the oldest {_age(uploads.oldest)} old; "
            f"{uploads.left_behind:,} left alone for a week"
        )
    if report.unreferenced.number:
        size = quantity(report.unreferenced.bytes, "bytes")
        yield f"content that nothing references: {report.unreferenced.number:,}, {size}"
    if verify:
        verified = report.verified
        size = quantity(verified.bytes if verified else 0, "bytes")
        yield f"hashed: {verified.number if verified else 0:,}, {size}"


def _findings(report: Report, trouble: Trouble) -> Iterator[str]:
    found, repaired = report.found[trouble], report.repaired[trouble]
    yield f"{trouble}: {found:,}" + (f", {repaired:,} repaired" if repaired else "")
    shown = [finding for finding in report.findings if finding.trouble is trouble][:_MOST_SHOWN]
    yield from map(_finding, shown)
    if found > len(shown):
        yield f"  ... and {found - len(shown):,} more"


def _finding(finding: Finding) -> str:
    where = f"{finding.repository}: " if finding.repository else ""
    done = f"  [{finding.repaired}]" if finding.repaired else ""
    return f"  {where}{finding.says}  {finding.path}{done}"


def _verdict(report: Report) -> str:
    if report.stopped:
        return "not looked through: it was stopped"
    if not report.left:
        return "healthy" if not report.found else f"healthy: {report.found.total():,} repaired"
    return f"problems left: {report.left:,}{_hint(report)}"


def _hint(report: Report) -> str:
    left = [finding for finding in report.findings if finding.repairable and not finding.repaired]
    return f" ({len(left):,} for --repair to put right)" if left else ""


def _age(seconds: int) -> str:
    days = seconds // _DAY
    return f"{days} days" if days else f"{seconds // 3600} h {seconds % 3600 // 60} min"
