"""A registry with its storage, on loopback, that does what a test says and notes what it gets.

It shares no code with the registry: it knows uploads as any client sees them, and our staging.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from multidict import CIMultiDictProxy

from registry_core.spec.staging import STAGING

_UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<id>[^/]*)")


@dataclass
class Received:
    """A request: to the registry, or to its storage if its path begins so."""

    method: str
    path: str
    query: dict[str, str]
    headers: CIMultiDictProxy[str]
    body: bytes = b""

    @property
    def operation(self) -> str:
        """The method, and what distinguishes requests of an upload; for storage "stage"."""
        if self.path.startswith("/storage"):
            return "stage"
        words = [word for word in ("staging", "blocks", "mount") if word in self.query]
        return " ".join([self.method, *words])


Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class ScriptedRegistry:
    """The registry.

    ``staging``: it offers staging, for ``staging_seconds``. ``chunk_limit`` is its advice on
    chunks, in bytes. ``instead`` are answers by operation that are given, one after the other,
    instead of its own.
    """

    staging: bool = True
    staging_seconds: float = 3600
    chunk_limit: int | None = None
    url: str = ""
    instead: dict[str, list[web.Response]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    """Answers to paths outside of uploads."""
    requests: list[Received] = field(default_factory=list)
    blocks: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    block_seconds: float = 0.0
    """How long storage takes to answer a block that it has received."""
    free_blocks: int | None = None
    """How many blocks storage takes at once; it answers others when `may_answer` is set."""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    """The blocks that were received and are not answered yet."""
    _parts: dict[str, bytes] = field(default_factory=dict)

    @property
    def operations(self) -> list[str]:
        """What the registry was asked for, without what storage was."""
        return [each.operation for each in self.requests if each.operation != "stage"]

    def received(self, operation: str) -> Received:
        """Return the only request of an operation."""
        (found,) = (each for each in self.requests if each.operation == operation)
        return found

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        received = Received(request.method, request.path, dict(request.query), request.headers)
        self.requests.append(received)
        if special := self.answers.get(request.path):
            return await special(request)
        received.body = b"".join([piece async for piece in request.content.iter_any()])
        if queued := self.instead.get(received.operation):
            return queued.pop(0)
        if received.operation == "stage":
            return await self._stage(received)
        if match := _UPLOAD.fullmatch(received.path):
            return self._upload(received, match["name"], match["id"])
        return self._blob(received)

    async def _stage(self, received: Received) -> web.Response:
        if hashlib.md5(received.body).digest() != _decoded(received.headers["Content-MD5"]):
            return web.Response(status=400)
        self.waiting += 1
        await asyncio.sleep(self.block_seconds)
        if self.free_blocks is not None and len(self.blocks) >= self.free_blocks:
            await self.may_answer.wait()
        self.waiting -= 1
        self.blocks[received.query["blockid"]] = received.body
        return web.Response(status=201)

    def _upload(self, received: Received, name: str, upload: str) -> web.Response:
        before = self._parts.get(upload, b"")
        match received.method:
            case "POST" if "digest" not in received.query:
                return self._progress(202, name, f"id-{len(self._parts)}", b"")
            case "GET" if self.staging and "staging" in received.query:
                return self._staging(upload)
            case "GET":
                return self._progress(204, name, upload, before)
            case "PATCH":
                return self._progress(202, name, upload, before + received.body)
            case "DELETE":
                return web.Response(status=204)
        if "blocks" in received.query:
            staged = [content for _, content in sorted(self.blocks.items())]
            assert len(staged) == int(received.query["blocks"])
            before = b"".join(staged)
        return self._finished(name, received.query["digest"], before + received.body)

    def _progress(self, status: int, name: str, upload: str, content: bytes) -> web.Response:
        self._parts[upload] = content
        headers = {
            "Location": f"{self.url}/v2/{name}/blobs/uploads/{upload}?state={len(content)}",
            "Range": f"0-{max(len(content) - 1, 0)}",
            "Docker-Upload-UUID": f"uuid-of-{upload}",
        }
        if self.chunk_limit and status == 202:
            headers["OCI-Chunk-Max-Length"] = str(self.chunk_limit)
        return web.Response(status=status, headers=headers)

    def _staging(self, upload: str) -> web.Response:
        fields = {
            "url": f"{self.url}/storage/{upload}?comp=block&sig=secret",
            "expires": (datetime.now(UTC) + timedelta(seconds=self.staging_seconds)).isoformat(),
            "prefix": "block",
        }
        return web.Response(text=json.dumps(fields), content_type=STAGING)

    def _finished(self, name: str, digest: str, content: bytes) -> web.Response:
        if digest != digest_of(content):
            error = {"errors": [{"code": "DIGEST_INVALID", "message": "it hashes otherwise"}]}
            return web.json_response(error, status=400)
        self.blobs[digest] = content
        return web.Response(
            status=201, headers={"Location": f"{self.url}/v2/{name}/blobs/{digest}"}
        )

    def _blob(self, received: Received) -> web.Response:
        content = self.blobs.get(received.path.rpartition("/")[2])
        return web.Response(status=404) if content is None else web.Response(body=content)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


@asynccontextmanager
async def scripted_registry() -> AsyncIterator[ScriptedRegistry]:
    """Run a registry on a free port."""
    registry = ScriptedRegistry()
    runner = web.ServerRunner(web.Server(registry.handle, access_log=None), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        registry.url = "http://{}:{}".format(*runner.addresses[0])
        yield registry
    finally:
        await runner.cleanup()
