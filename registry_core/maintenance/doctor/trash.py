"""The trash under examination: what can be restored keeps its content."""

from __future__ import annotations

from collections.abc import Iterable

from ...aio import for_each
from ...storage.trash import Trash, TrashUnknown, TrashUnreadable
from .context import CONCURRENCY, CheckContext
from .report import Problem


async def check_trash(context: CheckContext, paths: Iterable[str]) -> None:
    """Count the content that only records of deletions keep, and report damaged records.

    One call for each record. Nothing else that keeps content may be checked afterwards.
    """
    trash = Trash(context.store, context.layout)

    async def check(path: str) -> None:
        ident = path.removeprefix(context.layout.trash)
        try:
            record = await trash.read(ident)
        except TrashUnknown:
            return  # restored or purged meanwhile
        except TrashUnreadable as error:
            message = f"{error}; no content is collected while it is there: run trash purge {ident}"
            await context.report_problem(Problem.TRASH_UNREADABLE, path, message)
            return
        for digest in record.digests:
            size = context.listed_size(digest)
            if size is not None and not context.content.is_marked(digest):
                context.content.mark(digest)
                context.report.trashed.add(size)

    await for_each(paths, check, limit=CONCURRENCY)
