"""A relay in this process, on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from registry_core.client import ClientOptions
from registry_core.client.options import Retries
from registry_core.relay.application import Relay
from registry_core.relay.options import RelayOptions
from registry_core.relay.pushing import Pusher
from registry_core.relay.run import build_application
from registry_core.serve.listen import listen_tcp
from registry_core.serve.server import Server

MIB = 2**20
CREDENTIALS = "Basic YWxpY2U6c2VjcmV0"


@dataclass(frozen=True)
class RunningRelay:
    """The relay, and a client of it with credentials."""

    application: Relay
    url: str
    http: httpx.AsyncClient

    @property
    def pusher(self) -> Pusher:
        return self.application._pusher

    async def begin(self, query: str = "") -> str:
        """Begin an upload, and return its URL."""
        answer = await self.http.post(f"/v2/team/app/blobs/uploads/{query}")
        assert answer.status_code == 202, answer.text
        return answer.headers["location"]

    async def send(self, location: str, content: bytes) -> httpx.Response:
        """Send a part of an upload as docker does: in chunks, without a length."""
        return await self.http.patch(location, content=in_pieces(content))

    async def patch(self, location: str, content: bytes) -> str:
        """Send a part, and return the upload's next URL."""
        answer = await self.send(location, content)
        assert answer.status_code == 202, answer.text
        return answer.headers["location"]

    async def finish(self, location: str, digest: str, content: bytes = b"") -> httpx.Response:
        return await self.http.put(f"{location}&digest={digest}", content=content)


async def in_pieces(content: bytes, size: int = 2**16) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@asynccontextmanager
async def relay_to(url: str, **options: Any) -> AsyncIterator[RunningRelay]:
    """Run a relay to the registry at ``url``; ``options`` as for `ClientOptions`."""
    retries = Retries(attempts=3, first_delay=0.01, total=1.0)
    client = ClientOptions(url, **{"retries": retries, **options})
    application = build_application(RelayOptions(client, "127.0.0.1", 0))
    listener = listen_tcp("127.0.0.1", 0)
    ready = asyncio.Event()
    server = Server(application, listener, grace=5, on_ready=ready.set)
    running = asyncio.ensure_future(server.run_until_exit())
    try:
        await ready.wait()
        headers = {"Authorization": CREDENTIALS, "User-Agent": "containerd/2.2.0"}
        async with httpx.AsyncClient(
            base_url=listener.url, headers=headers, timeout=60, trust_env=False
        ) as http:
            yield RunningRelay(application, listener.url, http)
    finally:
        server.should_exit = True
        await running
        listener.close()
