"""What tests do to Azurite behind the registry's back, with the synchronous SDK."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from azure.storage.blob import ContainerClient

from registry_core.local.azurite import Azurite


def container_client(azurite: Azurite, name: str) -> ContainerClient:
    """The SDK's client for a container. Use it in a `with`."""
    return ContainerClient.from_connection_string(azurite.connection_string, name)


def create_container(azurite: Azurite) -> str:
    """Create a container with a name that nobody used before. Returns the name."""
    name = f"test-{uuid.uuid4().hex}"
    with container_client(azurite, name) as container:
        container.create_container()
    return name


def write_append_blob(azurite: Azurite, container: str, path: str, *pieces: bytes) -> None:
    """Create an append blob as CNCF distribution does: empty first, then filled."""
    with container_client(azurite, container) as client:
        blob = client.get_blob_client(path)
        blob.create_append_blob()
        for piece in pieces:
            blob.append_block(piece)


@dataclass(frozen=True)
class Lying:
    """A blob as it lies there. ``committed`` is false where there are only staged blocks."""

    path: str
    size: int
    kind: str
    committed: bool
    metadata: dict[str, str]


def everything_in(azurite: Azurite, container: str) -> list[Lying]:
    """All that is in a container, uncommitted blobs included, in lexical order."""
    with container_client(azurite, container) as client:
        committed = {blob.name for blob in client.list_blobs()}
        return [
            Lying(
                path=blob.name,
                size=blob.size,
                kind=str(blob.blob_type),
                committed=blob.name in committed,
                metadata=dict(blob.metadata or {}),
            )
            for blob in client.list_blobs(include=["metadata", "uncommittedblobs"])
        ]


def contents_of(azurite: Azurite, container: str, prefix: str = "") -> dict[str, bytes]:
    """The content of every committed blob under a prefix, by its path."""
    with container_client(azurite, container) as client:
        return {
            blob.name: client.download_blob(blob.name).readall()
            for blob in client.list_blobs(name_starts_with=prefix)
        }
