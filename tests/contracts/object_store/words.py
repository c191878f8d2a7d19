"""What the contract's modules share."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from registry_core.object_store.interface import BLOCK_ID_LENGTH, ObjectStore, if_match

Append = Callable[..., Awaitable[None]]
"""`await append(path, *pieces)` writes an append blob."""

CONTENT = b"0123456789"
STALE = if_match('"0x8D0000000000000"')

# As they occur in the layout, with every character that repositories, tags and escapes have.
PATHS = [
    "/docker/registry/v2/repositories/leading/slash/_layers/sha256/00/link",
    "docker/registry/v2/_catalog/library%2Fdebian",
    "docker/registry/v2/_catalog/library%252Fdebian",
    "docker/registry/v2/repositories/a-b/c.d/e__f/_manifests/tags/V1.0-rc_1/current/link",
    "docker/registry/v2/repositories/a-b/c.d/e__f/_uploads/0d3c7b9e-2f7a/data",
]


def named(name: str) -> str:
    """A block id that is easily told from others."""
    return name.ljust(BLOCK_ID_LENGTH, "-")


async def stage(store: ObjectStore, path: str, name: str, content: bytes) -> None:
    md5 = hashlib.md5(content, usedforsecurity=False).digest()
    await store.stage(path, named(name), content, md5=md5)


async def content_of(store: ObjectStore, path: str) -> bytes:
    return (await store.get(path)).content
