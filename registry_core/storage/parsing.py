"""Manifests parsed without holding up the event loop."""

from __future__ import annotations

import asyncio

from ..spec.manifest import Manifest, parse_manifest

# Bytes. The worst JSON of 4 MiB takes more than half a second.
_INLINE = 64 * 2**10


async def parse(content: bytes, content_type: str | None = None) -> Manifest:
    """See `parse_manifest`. :raises ManifestInvalid:"""
    if len(content) <= _INLINE:
        return parse_manifest(content, content_type)
    return await asyncio.to_thread(parse_manifest, content, content_type)
