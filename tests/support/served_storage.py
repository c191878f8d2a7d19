"""A memory store whose staging URLs lead to a web server on loopback."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from registry_core.object_store.memory import MemoryStore
from registry_core.spec.staging import Staging

from .served import Served
from .staging import put_block


class ServedStore(MemoryStore):
    """A memory store that answers to Put Block.

    ``requests``: those that it got, in order, with their bodies read.
    """

    def __init__(self, server: Served) -> None:
        super().__init__()
        self.requests: list[Request] = []
        route = Route("/{path:path}", self._note, methods=["PUT"])
        self.url = server.use(Starlette(routes=[route]))

    async def staging_url(self, path: str, *, seconds: int) -> str:
        return f"{self.url}/{quote(path)}?comp=block&sig=secret"

    async def answer(self, request: Request) -> Response:
        """Answer to Put Block. Override it for answers that a test needs."""
        url = f"memory:{request.url.path}?{request.url.query}"
        await put_block(self, url, await request.body())
        return Response(status_code=201)

    async def _note(self, request: Request) -> Response:
        self.requests.append(request)
        return await self.answer(request)


async def put_blocks(staging: Staging, blocks: Sequence[bytes]) -> None:
    """Stage blocks as a client does that knows nothing but the protocol."""
    async with httpx.AsyncClient() as client:
        for index, block in enumerate(blocks):
            answer = await client.put(staging.block_url(index), content=block)
            assert answer.status_code == 201, answer.text
