"""Our own registry behind a web server on loopback, and our client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from registry_core.client import ClientOptions, HttpRegistry
from registry_core.client.options import Retries
from registry_core.registry import Registry
from registry_core.server.application import Application
from registry_core.server.asgi import asgi
from tests.support.served import Served

SECRET = "a secret for tests, which is long enough"
QUICK = Retries(attempts=3, first_delay=0.01, longest_delay=0.05, total=1)


def application(registry: Registry, *, body_limit: int | None = None) -> Application:
    """Return the application of a registry, on a host that limits request bodies."""
    app = asgi(registry, secret=SECRET)
    return Application(replace(app._context, body_limit=body_limit))


@asynccontextmanager
async def client_of(
    server: Served, registry: Registry, *, body_limit: int | None = None
) -> AsyncIterator[HttpRegistry]:
    """Serve a registry, and open our client of it."""
    url = server.use(application(registry, body_limit=body_limit))
    async with HttpRegistry.open(ClientOptions(url, retries=QUICK)) as client:
        yield client
