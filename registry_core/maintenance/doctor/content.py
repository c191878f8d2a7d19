"""Content: whether it hashes to its address. What does not can be moved away.

As long as something of the right size is at an address, clients find the blob there and do not push
it again.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import partial

from ...aio import for_each, off_loop
from ...object_store.errors import (
    ConditionFailed,
    NotFound,
    RangeNotSatisfiable,
    StoreRefused,
    TooLarge,
    WrongKind,
)
from ...object_store.interface import BLOCK_ID_LENGTH, ObjectStore, Properties, delete_if, if_match
from ...spec.digest import Digest
from ...spec.errors import ManifestInvalid
from ...spec.manifest import MAX_MANIFEST_BYTES, detect_media_type
from ...storage.content import Content
from ...storage.layout_parse import Kind
from ..digest_table import DigestTable
from ..walk import Progress
from .context import CheckContext
from .report import BlockCount, ContentCount, DoctorReport, Problem

_HASHING_CONCURRENCY = 4  # bounds memory: each keeps a few pieces of content

# In bytes: of a copy that the doctor makes itself.
_PIECE = 8 * 2**20

_CHANGED = (NotFound, ConditionFailed, RangeNotSatisfiable)
"""What is raised where content is deleted or written at the same time."""


async def verify_content(context: CheckContext, listed: DigestTable) -> None:
    """Hash content, in pieces, a few objects at a time.

    For each object one call per 8 MiB, and one that looks for blocks staged over it; two more, and
    the object is read once more, for each that is damaged.
    """
    report = context.report
    verified = report.verified = report.verified or ContentCount()
    total = sum(size for _, size, _ in listed.rows())
    before = verified.bytes

    async def verify(row: tuple[Digest, int, bool]) -> None:
        digest, size, _ = row
        # Not judged: what changes at the same time, and archived content.
        with suppress(*_CHANGED, StoreRefused):
            if not await _matches(context, digest, size):
                await report_if_damaged(context, digest)
            verified.add(size)
            context.on_progress(Progress("verifying", verified.bytes - before, total, "bytes"))
        await count_blocks(context.store, report, Kind.CONTENT, context.layout.content(digest))

    await for_each(listed.rows(), verify, limit=_HASHING_CONCURRENCY)


async def count_blocks(store: ObjectStore, report: DoctorReport, kind: Kind, path: str) -> None:
    """Count the blocks that are staged at a path and not committed. One call."""
    with suppress(NotFound, WrongKind, StoreRefused):  # append blobs have none
        staged = await store.uncommitted_blocks(path)
        if staged.number:
            report.uncommitted.setdefault(kind, BlockCount()).add(staged)


async def report_if_damaged(context: CheckContext, digest: Digest) -> bool:
    """Hash content as it is now; report it if it is damaged. Returns whether it is.

    Two calls for up to 8 MiB, one if it is empty.

    :raises NotFound, ConditionFailed, RangeNotSatisfiable: it is deleted or written meanwhile.
    :raises StoreRefused: it is archived.
    """
    found = await context.store.head(context.layout.content(digest))
    if await _matches(context, digest, found.size, found.etag):
        return False
    await report_damaged(context, digest, found)
    return True


async def report_damaged(context: CheckContext, digest: Digest, seen: Properties) -> None:
    """Report that the content with these properties is damaged, once for all repositories.

    What another registry may be writing is not judged: young content, empty or an append blob.
    """
    may_grow = seen.is_append or not seen.size
    if digest in context.damaged or (may_grow and context.is_young(seen.last_modified)):
        return
    context.damaged.add(digest)
    is_gone = await context.report_problem(
        Problem.CONTENT_DAMAGED,
        context.layout.content(digest),
        "the content does not match its digest",
        repair=partial(_quarantine, context, digest, seen),
    )
    if is_gone:
        context.quarantined.add(digest)


async def _matches(
    context: CheckContext, digest: Digest, size: int, etag: str | None = None
) -> bool:
    if not size:
        return digest == Digest.of(b"", digest.algorithm)
    content = Content(context.store, context.layout)
    path = context.layout.content(digest)
    return await content.hash(path, size, digest.algorithm, etag) == digest


async def holds_manifest(context: CheckContext, digest: Digest) -> bool:
    """Return whether content is a manifest that can be served. One call."""
    try:
        found = await context.store.get(context.layout.content(digest), limit=MAX_MANIFEST_BYTES)
    except (NotFound, TooLarge, StoreRefused):
        return False
    content = found.content
    if await off_loop(len(content), Digest.of, content, digest.algorithm) != digest:
        return False
    return await off_loop(len(content), is_manifest, content)


def is_manifest(content: bytes) -> bool:
    """Return whether a document is a manifest, be it one that only other registries accept.

    An image's config, for example, is none, though it has fields of the same names.
    """
    try:
        detect_media_type(content)
    except ManifestInvalid:
        return False
    return "schemaVersion" in json.loads(content)


async def _quarantine(context: CheckContext, digest: Digest, seen: Properties) -> str:
    """Move damaged content away, unless it was replaced since it was seen. Two calls or more."""
    source = context.layout.content(digest)
    # The same for each attempt, so that one that was cut off leaves nothing else behind.
    ident = "".join(filter(str.isalnum, seen.etag)).lower()
    target = context.layout.quarantined(digest, ident)
    try:
        await _copy(context.store, target, source, digest, seen)
    except _CHANGED:
        return ""
    is_moved = await delete_if(context.store, source, if_match(seen.etag))
    return f"moved to {target}" if is_moved else ""


async def _copy(
    store: ObjectStore, target: str, source: str, digest: Digest, seen: Properties
) -> None:
    metadata = {"digest": str(digest)}
    if not seen.is_append:
        size, etag = seen.size, seen.etag
        await store.copy(target, source, size=size, metadata=metadata, source_etag=etag)
        return
    # Storage copies no append blob to a block blob.
    same, block_ids = if_match(seen.etag), list[str]()
    for number, start in enumerate(range(0, seen.size, _PIECE)):
        piece = (await store.get_range(source, start, _PIECE, condition=same)).content
        md5 = await off_loop(len(piece), _md5, piece)
        block_ids.append(f"{number:0{BLOCK_ID_LENGTH}}")
        await store.stage(target, block_ids[-1], piece, md5=md5)
    await store.commit(target, block_ids, metadata=metadata)


def _md5(piece: bytes) -> bytes:
    return hashlib.md5(piece, usedforsecurity=False).digest()
