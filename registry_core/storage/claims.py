"""The claim of direct uploads: which of them have the digests that are wanted, and make blobs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..aio import for_each
from ..object_store.errors import CopyPending, NotFound, StoreRefused, StoreUnavailable
from ..registry import ClaimUnfinished, HashingUnfinished
from ..spec.digest import SHA256, Digest
from ..spec.staging import block_id
from .staged_commit import StagedUpload
from .staged_uploads import StagedUploads

_log = logging.getLogger(__name__)

# How many uploads, of different sizes, are hashed at the same time.
_HASHES = 2


@dataclass(frozen=True)
class Candidate:
    """An upload that may be wanted, and its size in bytes; None: it has vanished."""

    upload: StagedUpload
    size: int | None


@dataclass
class Claim:
    """A claim for one repository. ``missing``: the digests that have not been found, and sizes.

    ``made``: those of the blobs that were made.
    """

    staged_uploads: StagedUploads
    repository: str
    missing: dict[Digest, int | None]
    made: set[Digest] = field(default_factory=set)
    _has_tried: bool = False
    _has_vanished: bool = False
    _is_unfinished: bool = False
    _failure: StoreUnavailable | None = None

    def __post_init__(self) -> None:
        self._staged = self.staged_uploads.staged
        self._deadline = self._staged.deadline()
        # Without a size all uploads have to be hashed. What was hashed becomes a blob then: a
        # client that looks for one blob after another, and uploads each, hashes each once.
        self._takes_all = None in self.missing.values()

    async def run(self, candidates: Sequence[Candidate]) -> None:
        """Make blobs of the candidates that are wanted.

        :param candidates: the latest first.
        :raises ClaimUnfinished: the time was not enough to hash them all, and some may be wanted;
            or storage has failed after some were made.
        """
        await for_each(_by_size(candidates), self._try_each, limit=_HASHES)
        if self._failure is not None:
            if not self.made:
                raise self._failure
            _log.warning("a claim for %s ends early: %s", self.repository, self._failure)
        elif self._has_vanished:
            await self._look_again()
        if self.missing and self._is_unfinished:
            raise ClaimUnfinished(frozenset(self.made))

    async def _try_each(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            if candidate.size is None:
                self._has_vanished = True
            elif self._has_time_for(candidate.size):
                await self._try(candidate.upload, candidate.size)

    def _has_time_for(self, size: int) -> bool:
        """Return whether to begin with another candidate: with the first one in any case."""
        if self._failure is not None:
            return False
        if not self._has_tried or self._staged.monotonic() < self._deadline:
            self._has_tried = True
            return True
        self._is_unfinished |= bool(self._algorithms(size))
        return False

    async def _try(self, upload: StagedUpload, size: int) -> None:
        """Make a blob of a candidate if it is wanted; else record its digest, for later claims."""
        try:
            for algorithm in self._algorithms(size):
                if await self._take(upload, algorithm):
                    break
        except HashingUnfinished:
            self._is_unfinished = True
        except NotFound:
            self._has_vanished = True  # another request claims it
        except (StoreRefused, CopyPending) as error:
            _log.warning("%s cannot be claimed: %s", upload.path, error)
        except StoreUnavailable as error:  # those under way come to their end: they write
            self._failure, self._is_unfinished = error, True

    async def _take(self, upload: StagedUpload, algorithm: str) -> bool:
        """Make a blob of an upload if its digest of this algorithm is wanted."""
        membership = self.staged_uploads.uploads.membership
        observed = membership.clock()
        hashed = await self._staged.take(
            upload,
            [block_id(upload.prefix, 0)],
            algorithm,
            self._is_wanted,
            self._deadline,
        )
        if not self._is_wanted(hashed.digest):
            await self._staged.record(upload, hashed.record)
            return False
        await membership.link_blob(
            self.repository, hashed.digest, hashed.record.size, hashed.image, observed=observed
        )
        self.missing.pop(hashed.digest, None)
        self.made.add(hashed.digest)
        await self._staged.discard(upload, hashed.record)
        return True

    def _is_wanted(self, digest: Digest) -> bool:
        return digest in self.missing or (self._takes_all and digest.algorithm == SHA256)

    def _algorithms(self, size: int) -> Sequence[str]:
        """Return the algorithms of the missing digests that content of this size may have."""
        fitting = (d for d, known in self.missing.items() if known is None or known == size)
        return sorted({digest.algorithm for digest in fitting})

    async def _look_again(self) -> None:
        """Look whether what is missing is in the repository by now."""
        membership = self.staged_uploads.uploads.membership

        async def look(digest: Digest) -> None:
            try:
                await membership.verify_blob(self.repository, digest, generation="")
            except NotFound:
                return
            self.missing.pop(digest, None)

        await for_each(list(self.missing), look, limit=_HASHES)


def _by_size(candidates: Sequence[Candidate]) -> Iterable[Sequence[Candidate]]:
    """Return those of each size, the oldest first.

    A client whose push failed uploads the same content again. To hash both at the same time would
    take time from the one that is nearly done, and with that the other need not be hashed.
    """
    groups: dict[int | None, list[Candidate]] = {}
    for candidate in reversed(candidates):  # the listing has the latest first
        groups.setdefault(candidate.size, []).append(candidate)
    return groups.values()
