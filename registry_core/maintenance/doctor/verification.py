"""All content hashed."""

from __future__ import annotations

from contextlib import suppress

from ...object_store.interface import ConditionFailed, NotFound, RangeNotSatisfiable
from ...spec.digest import Digest
from ...storage.content import Content
from .case import Case, Progress, for_each
from .manifests import report_damaged
from .report import Amount

_AT_ONCE = 4  # memory: so many times the pieces that one reading keeps


async def verify(case: Case) -> None:
    """Read everything that is stored as content, a few objects at once, in pieces."""
    content = Content(case.store, case.layout)
    verified = case.report.verified = case.report.verified or Amount()
    total = sum(size for _, size, _ in case.content.rows())
    begun = verified.bytes

    async def check(row: tuple[Digest, int, bool]) -> None:
        digest, size, _ = row
        path = case.layout.content(digest)
        # What is deleted or written at the same time is not judged.
        with suppress(NotFound, ConditionFailed, RangeNotSatisfiable):
            if await content.hash(path, size, digest.algorithm, None) != digest:
                await report_damaged(case, digest)
            verified.add(size)
            case.tell(Progress("verifying", verified.bytes - begun, total, "bytes"))

    await for_each(case.content.rows(), check, _AT_ONCE)
