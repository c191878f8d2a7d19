"""Direct uploads: a client puts a blob to storage with one request that the registry does not see.

Nothing is committed by that request. Whoever began the upload claims it later, by the digest of a
blob that a manifest names: the staged block is committed, hashed by reading, and published.

An upload's path has the name of its owner, hashed, so that nobody claims what another one has
uploaded, and the time when it began, the latest first in a listing. One that is a day old is not
claimed any more, and goes with the next collection of garbage.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ..aio import for_each
from ..object_store.errors import NotFound, WrongKind
from ..object_store.interface import Entry
from ..registry import DirectUpload, Upload
from ..spec.digest import Digest
from .claims import Candidate, Claim
from .staged_commit import StagedUpload
from .staged_uploads import StagedUploads

LIFETIME_SECONDS = 24 * 60 * 60.0
"""For how long an upload can be claimed."""

MOST = 200
"""How many of an owner's latest uploads to a repository are looked at for a claim."""

MOST_WITHOUT_SIZE = 16
"""The same for a claim without sizes, which hashes and publishes each of them."""

# How many pages of a listing are read for them: pages may be short.
_PAGES = 10
# How many uploads are looked at at the same time.
_LOOKS = 8

_MILLISECONDS = (1 << 44) - 1  # until the year 2527
_ID = re.compile(r"_direct-(?P<owner>[0-9a-f]{32})-(?P<before>[0-9a-f]{11})-[0-9a-f]{16}")


def new_upload_id(owner: str, now: float) -> str:
    """Return the id of a new direct upload; no component of a repository's name can be one."""
    before = _MILLISECONDS - int(now * 1000)
    return f"{_owned(owner)}{before:011x}-{secrets.token_hex(8)}"


def began(upload_id: str) -> float | None:
    """Return when a direct upload began, in Unix time; None if this is not the id of one."""
    match = _ID.fullmatch(upload_id)
    return (_MILLISECONDS - int(match["before"], 16)) / 1000 if match else None


def _owned(owner: str) -> str:
    """Return what the ids of an owner's uploads begin with."""
    return f"_direct-{hashlib.sha256(owner.encode()).hexdigest()[:32]}-"


@dataclass
class DirectUploads:
    """`Stager`'s direct uploads over the object store, of one owner. ``now``: Unix time.

    ``enabled``: whether there are any, where clients may write to storage by themselves.
    """

    staged_uploads: StagedUploads
    owner: str = ""
    enabled: bool = True
    now: Callable[[], float] = field(default=time.time)

    def __post_init__(self) -> None:
        self._store = self.staged_uploads.staged.store
        self._layout = self.staged_uploads.layout

    async def start_direct_upload(self, repository: str) -> DirectUpload | None:
        """See `Stager`. No call, as a rule."""
        if not (self.enabled and self.staged_uploads.enabled):
            return None
        upload_id = new_upload_id(self.owner, self.now())
        upload = StagedUpload.of(self._layout, repository, upload_id)
        staging = await self.staged_uploads.staging(upload)
        if staging is None:
            return None
        return DirectUpload(Upload(repository, upload_id), staging.block_url(0))

    async def claim_direct_uploads(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> frozenset[Digest]:
        """See `Stager`. One call to list the uploads, one for each that is not committed yet.

        Each one that has a wanted size takes two more, those to hash and to copy it, and two to
        link it and to delete it; three or four where it was looked at before.
        """
        if not (self.enabled and self.staged_uploads.enabled):
            return frozenset()
        claim = Claim(self.staged_uploads, repository, dict(wanted))
        await claim.run(await self._candidates(repository, frozenset(wanted.values())))
        return frozenset(wanted.keys() - claim.missing.keys() | claim.made)

    async def _candidates(
        self, repository: str, sizes: Collection[int | None]
    ) -> Sequence[Candidate]:
        """Return the owner's uploads that have one of the sizes; None: any."""

        async def look(row: Entry) -> Candidate | None:
            upload = StagedUpload.of(self._layout, repository, row.path.split("/")[-2])
            try:
                size = await self._size(row)
            except NotFound:
                return Candidate(upload, None)
            is_fitting = size is not None and (None in sizes or size in sizes)
            return Candidate(upload, size) if is_fitting else None

        rows = await self._list(repository, MOST_WITHOUT_SIZE if None in sizes else MOST)
        found = await for_each(rows, look, limit=_LOOKS)
        return list(filter(None, found))

    async def _list(self, repository: str, most: int) -> Sequence[Entry]:
        """Return the rows of the owner's latest uploads that can be claimed."""
        prefix = self._layout.upload_folder(repository, _owned(self.owner))
        found: list[Entry] = []
        continuation: str | None = None
        for _ in range(_PAGES):
            page = await self._store.list_page(
                prefix, uncommitted=True, continuation=continuation, limit=2 * most
            )
            found += filter(self._is_claimable, page.entries)
            continuation = page.continuation
            if continuation is None or len(found) >= most:
                break
        return found[:most]

    def _is_claimable(self, row: Entry) -> bool:
        *_, upload_id, name = row.path.split("/")
        time = began(upload_id)
        return name == "staged" and time is not None and self.now() - time < LIFETIME_SECONDS

    async def _size(self, row: Entry) -> int | None:
        """Return the size of what is staged or committed there; None if it is of no use.

        :raises NotFound: it is gone.
        """
        properties = row.properties
        if properties is None:
            try:
                staged = await self._store.uncommitted_blocks(row.path)
            except WrongKind:
                return None
            if staged.number:
                return staged.size if staged.number == 1 else None
            properties = await self._store.head(row.path)  # committed since it was listed
        is_usable = not properties.is_append and not properties.archived
        return properties.size if is_usable else None
