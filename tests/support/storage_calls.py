"""A registry on Azurite that records its storage calls, one per HTTP request."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from registry_core.app import build_application, build_registry
from registry_core.config import Settings
from registry_core.object_store.azure import AzureBlobStore
from registry_core.serve.azurite import Azurite
from tests.support.wire import Wire


@dataclass
class Stack:
    """A registry on Azurite; ``calls`` has the operation of every HTTP request to storage."""

    store: AzureBlobStore
    settings: Settings
    calls: list[str]
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    def new_instance(self, repository: str = "a/b", *, keys: bool = False) -> Wire:
        """Return a client of a new instance, with empty caches. ``keys``: with personal keys."""
        registry = build_registry(self.settings, self.store)
        application = build_application(self.settings, registry, self.store if keys else None)
        transport = httpx.ASGITransport(application)
        client = httpx.AsyncClient(transport=transport, base_url="http://registry.test")
        self._clients.append(client)
        return Wire(client, repository, set)

    async def calls_of(self, request: Awaitable[object]) -> list[str]:
        """Return the storage calls that a request causes, in order."""
        self.calls.clear()
        await request
        return list(self.calls)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def counted(azurite: Azurite, container: str, settings: Settings) -> AsyncIterator[Stack]:
    """Run a stack on a container; the storage of ``settings`` is not used."""
    calls: list[str] = []
    store = AzureBlobStore.from_connection_string(
        azurite.connection_string,
        container,
        on_call=lambda _, operation: calls.append(operation),
    )
    stack = Stack(store, settings, calls)
    try:
        yield stack
    finally:
        await stack.close()
        await store.close()
