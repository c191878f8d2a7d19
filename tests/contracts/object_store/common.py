"""What the modules of the contract share."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from registry_core.object_store.interface import BLOCK_ID_LENGTH, Entry, ObjectStore, if_match

Append = Callable[..., Awaitable[None]]
"""`await append(path, *pieces)` writes an append blob."""

TakeSnapshot = Callable[[str], Awaitable[None]]
"""`await take_snapshot(path)` makes a snapshot of a blob, as backup tools do."""

StageForeign = Callable[[str, str, bytes], Awaitable[None]]
"""`await stage_foreign(path, block_id, content)` stages a block as another program does."""

CONTENT = b"0123456789"
MANY_BYTES = 2**30
"""A limit that no object of the contract reaches."""
STALE = if_match('"0x8D0000000000000"')

INVALID_METADATA: list[dict[str, str]] = [
    {"Upper": "x"},
    {"a-b": "x"},
    {"1a": "x"},
    {"": "x"},
    {"a": ""},
    {"a": "ä"},
    {"a": "two\nlines"},
    {"a": " x"},
    {"a": "x "},
    {"a": "x" * 8192},
]

# Paths of the layout, with every character that repositories, tags and escapes can have.
PATHS = [
    "/docker/registry/v2/repositories/leading/slash/_layers/sha256/00/link",
    "docker/registry/v2/_catalog/library%2Fdebian",
    "docker/registry/v2/_catalog/library%252Fdebian",
    "docker/registry/v2/repositories/a-b/c.d/e__f/_manifests/tags/V1.0-rc_1/current/link",
    "docker/registry/v2/repositories/a-b/c.d/e__f/_uploads/0d3c7b9e-2f7a/data",
]


def make_block_id(name: str) -> str:
    """Return a block id that begins with ``name``."""
    return name.ljust(BLOCK_ID_LENGTH, "-")


async def stage(store: ObjectStore, path: str, name: str, content: bytes) -> None:
    """Stage a block with the id that ``name`` makes."""
    md5 = hashlib.md5(content, usedforsecurity=False).digest()
    await store.stage(path, make_block_id(name), content, md5=md5)


async def content_of(store: ObjectStore, path: str) -> bytes:
    """Return the content of an object."""
    return (await store.get(path, limit=MANY_BYTES)).content


async def listed(store: ObjectStore, prefix: str, **options: Any) -> list[Entry]:
    """Return all rows of a listing, whose pages may be short; ``options`` as for a page."""
    rows: list[Entry] = []
    page = await store.list_page(prefix, **options)
    rows += page.entries
    options.pop("start_from", None)
    while page.continuation is not None:
        page = await store.list_page(prefix, **options, continuation=page.continuation)
        rows += page.entries
    return rows
