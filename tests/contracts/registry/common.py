"""What all parts of the contract need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from registry_core.registry import Listing
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.staging import Staging
from registry_core.storage.ingest import BLOCK
from tests.support.content import image_manifest, random_bytes

SMALL = b"a small layer"
LARGE = random_bytes(2 * BLOCK + 12345)
"""More than fits into one block."""

LAYER = b"a layer"
MANIFEST = image_manifest(LAYER)
DIGEST = Digest.of(MANIFEST)

Snapshot = Callable[[], Mapping[str, object]]
"""Returns what is in storage, to compare with what is there later."""

PutBlocks = Callable[[Staging, Sequence[bytes]], Awaitable[None]]
"""Stages blocks, from the first on."""


@dataclass(frozen=True)
class Carried:
    """Parts of the interface that an implementation may be unable to carry; see `OVER_HTTP`.

    ``deletions``: what the deletion of a manifest deletes besides. ``tag_times``: when a tag was
    set. ``manifests``: lists of manifests. ``direct_uploads``: those that a client puts to storage
    with one request. ``whole_pieces``: an upload has all of a piece or nothing.
    """

    deletions: bool = True
    tag_times: bool = True
    manifests: bool = True
    direct_uploads: bool = True
    whole_pieces: bool = True


OVER_HTTP = Carried(
    deletions=False,  # the answer to DELETE is 202 without a body
    tag_times=False,  # a list of tags has names, and the answer to HEAD of a manifest no time
    manifests=False,  # the specification has no endpoint
    direct_uploads=False,  # by design: our client stages blocks, in parallel, each repeatable
)
"""What HTTP cannot carry, with the reasons."""

IN_CHUNKS = replace(OVER_HTTP, whole_pieces=False)
"""Besides, where a piece has to be sent as several chunks: each of them is a request."""


T = TypeVar("T")


async def pages_of(
    ask: Callable[[PageQuery], Awaitable[Listing[T]]], page: PageQuery | None
) -> list[tuple[T, ...]]:
    """Return the entries of every page, from one to the next."""
    pages = []
    while page is not None:
        listing = await ask(page)
        pages.append(listing.entries)
        page = listing.next
    return pages
