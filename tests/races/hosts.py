"""One registry served by two host processes, with a client for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

import httpx

from tests.support.host import start_process
from tests.support.wire import over_http

from .tags import WRITE_ONCE


@contextmanager
def two_hosts(connection_string: str, container: str) -> Iterator[list[str]]:
    """Run two hosts on a container, one that redirects to blobs and one that streams them."""
    environment = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container,
        "REGISTRY_HTTP_SECRET": "the same secret for both, long enough",
        "REGISTRY_TAGS_IMMUTABLE": WRITE_ONCE,
    }
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(
                start_process(
                    environment | {"REGISTRY_STORAGE_REDIRECT_DISABLE": str(streams).lower()},
                    arguments=["--port", "0", "--no-access-log"],
                )
            )
            for streams in (False, True)
        ]
        for host in hosts:
            host.wait_until_ready(60)
        yield [host.url for host in hosts]


@asynccontextmanager
async def clients_of(urls: list[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Open a client for each host."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(over_http(url)) for url in urls]
