"""The entries of referrers lists: each is to name a manifest that names the list's subject."""

from __future__ import annotations

from functools import partial

from ...spec.digest import Digest
from .case import Case, for_each
from .links import Seen
from .manifests import ManifestCheck
from .replacing import remove
from .report import Trouble
from .rows import Rows


async def check_entries(case: Case, repository: str, rows: Rows, manifests: ManifestCheck) -> None:
    """``manifests`` has checked all that the repository has."""

    async def check(item: tuple[tuple[Digest, Digest], Seen]) -> None:
        (subject, digest), seen = item
        if digest in manifests.unread or manifests.subjects.get(digest) == subject:
            return
        revision = case.layout.revision_link(repository, digest)
        is_known = digest in rows.revisions or digest in manifests.subjects
        # A push writes the entry and the revision link at the same time.
        if not is_known and (
            case.is_young(seen.properties.last_modified) or await case.is_there(revision)
        ):
            return
        if not await case.is_there(seen.path):
            return
        why = "does not name this subject" if is_known else "is not in the repository"
        await case.found(
            Trouble.REFERRER_STALE,
            seen.path,
            f"an entry for subject {subject}: manifest {digest} {why}",
            repository=repository,
            repair=partial(_delete, case, seen),
        )

    await for_each(rows.referrers.items(), check)


async def _delete(case: Case, seen: Seen) -> str:
    return "entry deleted" if await remove(case.store, seen.path, seen.properties.etag) else ""
