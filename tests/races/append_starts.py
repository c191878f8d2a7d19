"""Tags as CNCF distribution writes them: their links are append blobs."""

from __future__ import annotations

import asyncio

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from tests.support.azurite import container_client

from .race import Race


async def write_tags(race: Race, azurite: Azurite, container: str, number: int) -> list[str]:
    """Push a manifest and write so many tags that point to it."""
    manifest = race.new_manifest()
    digest = Digest.of(manifest)
    await race.wire(0).put_manifest(digest, manifest)
    tags = [f"append-{n}" for n in range(number)]
    layout = Layout()
    paths = [layout.tag_index_link(race.repository, tag, digest) for tag in tags]
    paths += [layout.tag_link(race.repository, tag) for tag in tags]
    await asyncio.to_thread(_append, azurite, container, paths, str(digest).encode())
    return tags


def _append(azurite: Azurite, container: str, paths: list[str], content: bytes) -> None:
    with container_client(azurite, container) as client:
        for path in paths:
            blob = client.get_blob_client(path)
            blob.create_append_blob()
            blob.append_block(content)
