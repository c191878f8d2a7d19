"""Every operation of `AzureBlobStore`, as one call each, for tables of tests."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from registry_core.object_store.azure import AzureBlobStore, AzureIdentity, TokenEndpoint
from registry_core.object_store.interface import UNCONDITIONAL
from registry_core.object_store.memory import MemoryStore
from tests.contracts.object_store import CONTENT, make_block_id, stage
from tests.support.managed_identity import IdentityEndpoint
from tests.support.scripted_storage import ACCOUNT, CONTAINER, ScriptedStorage
from tests.support.secure_azurite import Connections, Trust

KEY = "dGhlIGFjY291bnQga2V5IHRoYXQgaXMgYSBzZWNyZXQ="
METADATA = {"digest": "sha256:0"}
MD5 = hashlib.md5(CONTENT).digest()
BLOCK = make_block_id("1")

Call = Callable[[AzureBlobStore], Awaitable[Any]]

READS: dict[str, Call] = {
    "head": lambda s: s.head("a"),
    "get": lambda s: s.get("a", limit=10),
    "get_range": lambda s: s.get_range("a", 2, 3),
    "committed_blocks": lambda s: s.committed_blocks("blocks"),
    "uncommitted_blocks": lambda s: s.uncommitted_blocks("staged"),
    "list_page": lambda s: s.list_page("", metadata=True),
}
SMALL_WRITES: dict[str, Call] = {
    "put": lambda s: s.put("b", CONTENT, metadata=METADATA),
    "set_metadata": lambda s: s.set_metadata("a", METADATA),
    "delete": lambda s: s.delete("a"),
    "delete_batch": lambda s: s.delete_batch([("a", UNCONDITIONAL)]),
}
LARGE_WRITES: dict[str, Call] = {
    "stage": lambda s: s.stage("b", BLOCK, CONTENT, md5=MD5),
    "stage_from": lambda s: s.stage_from("b", BLOCK, "a"),
    "commit": lambda s: s.commit("staged", [BLOCK], metadata=METADATA),
    "copy": lambda s: s.copy("b", "a", size=len(CONTENT), metadata=METADATA),
    "put a large object": lambda s: s.put("b", bytes(2**17)),
}
ADMINISTRATION: dict[str, Call] = {
    "ensure_container": lambda s: s.ensure_container(),
    "check_namespace": lambda s: s.check_namespace(),
    "immutability": lambda s: s.immutability(),
}
WRITES = SMALL_WRITES | LARGE_WRITES
CALLS = READS | WRITES | ADMINISTRATION
"""Each sends one request, if all goes well."""


async def fill(store: MemoryStore) -> None:
    """Write the objects that `CALLS` need."""
    await store.put("a", CONTENT, metadata={"a": "b"})
    await stage(store, "blocks", "1", CONTENT)
    await store.commit("blocks", [BLOCK])
    await stage(store, "staged", "1", CONTENT)


@asynccontextmanager
async def opened_over(
    storage: ScriptedStorage, *, key: str = KEY, **options: Any
) -> AsyncIterator[AzureBlobStore]:
    """Open a store with an account key; ``options`` as for `AzureBlobStore.from_key`."""
    store = AzureBlobStore.from_key(storage.service_url, CONTAINER, ACCOUNT, key, **options)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def signed_in_over(
    storage: ScriptedStorage, trust: Trust, identity: IdentityEndpoint, **options: Any
) -> AsyncIterator[AzureBlobStore]:
    """Open a store as a managed identity; ``options`` as for `AzureBlobStore.from_identity`.

    ``storage`` has the certificate of ``trust``.
    """
    connections = Connections(trust)
    endpoint = TokenEndpoint(f"{identity.url}/msi/token", identity.header)
    store = AzureBlobStore.from_identity(
        storage.service_url,
        CONTAINER,
        AzureIdentity(endpoint=endpoint),
        account=ACCOUNT,
        connector=connections.connector,
        **options,
    )
    try:
        yield store
    finally:
        await store.close()
        await connections.ended()
