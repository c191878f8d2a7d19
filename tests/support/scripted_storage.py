"""Blob Storage in this process: a server over a `MemoryStore` whose answers a test may replace.

    async with scripted_storage() as storage:
        storage.answers = [Instead(503, "ServerBusy", after=True)]
        storage.service_url

It has what `AzureBlobStore` uses, and checks no credentials.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import NoReturn
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from aiohttp import web
from multidict import CIMultiDict

from registry_core.object_store.errors import (
    BlockListInvalid,
    ConditionFailed,
    NotFound,
    RangeNotSatisfiable,
    StoreError,
    WrongKind,
)
from registry_core.object_store.interface import Condition, Entry, Page, Properties
from registry_core.object_store.memory import MemoryStore
from tests.support.batches import BOUNDARY, AnsweredPart, SentPart, format_answers, parse_batch
from tests.support.secure_azurite import Trust

ACCOUNT = "account"
CONTAINER = "registry"
FROM_STORAGE = {"x-ms-request-id": "made-up"}

_ERRORS: Mapping[type[StoreError], tuple[int, str]] = {
    NotFound: (404, "BlobNotFound"),
    ConditionFailed: (412, "ConditionNotMet"),
    WrongKind: (409, "InvalidBlobType"),
    BlockListInvalid: (400, "InvalidBlockList"),
    RangeNotSatisfiable: (416, "InvalidRange"),
}


@dataclass(frozen=True)
class Instead:
    """What a client gets instead of storage's answer; without ``status``, a reset connection.

    With ``after`` the operation takes place first. ``code`` is storage's error code; with none the
    answer has only ``headers`` and ``body``, as that of an intermediary. ``meanwhile`` runs after
    the operation: what other writers do before the client tries again.
    """

    status: int = 0
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: bool = False
    silent: bool = False
    meanwhile: Callable[[MemoryStore], Awaitable[object]] | None = None

    def response(self) -> web.Response:
        headers = dict(self.headers)
        body = self.body
        if self.code:
            headers |= FROM_STORAGE | {"x-ms-error-code": self.code}
            body = body or f"<Error><Code>{self.code}</Code></Error>".encode()
        return web.Response(status=self.status, headers=headers, body=body)


@dataclass(frozen=True)
class Received:
    """A request that a client has sent. ``path`` is that of the blob, "" for the container."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    target: str
    """The target of the request line, which is a whole URL where this server is a proxy."""


Choose = Callable[[Received], "Instead | web.StreamResponse | None"]
ChoosePart = Callable[[Received], "Instead | None"]
"""Likewise for a request in a batch."""


class ScriptedStorage:
    """The server. The next requests get ``answers``, further ones what ``choose`` returns.

    Where that is None, ``store`` answers. ``received`` has every request.
    """

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.answers: list[Instead | None] = []
        self.choose: Choose = lambda _: None
        self.choose_part: ChoosePart = lambda _: None
        self.received: list[Received] = []
        self.connections: set[asyncio.BaseTransport] = set()
        """Those on which a request has arrived, closed ones included."""
        self.service_url = ""

    @property
    def port(self) -> int:
        return urlsplit(self.service_url).port or 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        self.connections.add(request.transport)
        received = await _received(request)
        self.received.append(received)
        answer = self.answers.pop(0) if self.answers else self.choose(received)
        if answer is None:
            return await self._executed(received)
        if not isinstance(answer, Instead):
            return answer
        if answer.after:
            await self._executed(received)
        if answer.meanwhile is not None:
            await answer.meanwhile(self.store)
        if answer.silent:
            await asyncio.Event().wait()  # until the client hangs up
        if not answer.status:
            _reset(request)
        return answer.response()

    async def _executed(self, request: Received) -> web.Response:
        """Execute an operation. Returns storage's answer."""
        try:
            answer = await self._execute(request)
        except StoreError as error:
            answer = Instead(*_ERRORS[type(error)]).response()
        answer.headers.update(FROM_STORAGE)
        return answer

    async def _execute(self, request: Received) -> web.Response:
        if "restype" in request.query:
            return await self._execute_on_container(request)
        if request.method == "PUT":
            return await self._write(request, request.query.get("comp", ""))
        if request.method == "DELETE":
            await self.store.delete(request.path, condition=_condition(request))
            return web.Response(status=202)
        if request.query.get("comp") == "blocklist":
            return await self._list_blocks(request)
        return await self._read(request)

    async def _execute_batch(self, request: Received) -> web.Response:
        """Execute the requests of a batch; `choose_part` may replace answers to them."""
        content_type = request.headers["Content-Type"]
        answers = [
            await self._answer_part(_received_part(part), part.content_id)
            for part in parse_batch(content_type, request.body)
        ]
        headers = {"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"}
        return web.Response(status=202, body=format_answers(answers), headers=headers)

    async def _answer_part(self, part: Received, content_id: str) -> AnsweredPart:
        instead = self.choose_part(part)
        answer = await self._executed(part) if instead is None or instead.after else None
        answer = instead.response() if instead else answer
        assert answer is not None
        assert isinstance(answer.body, bytes | None)
        return AnsweredPart(content_id, answer.status, answer.headers, answer.body or b"")

    async def _list_blocks(self, request: Received) -> web.Response:
        if request.query["blocklisttype"] == "uncommitted":
            await self.store.uncommitted_blocks(request.path)
            rows = "".join(
                f"<Block><Name>{_base64(name)}</Name><Size>{len(block)}</Size></Block>"
                for name, block in self.store.staged.get(request.path, {}).items()
            )
            body = f"<BlockList><UncommittedBlocks>{rows}</UncommittedBlocks></BlockList>"
            return web.Response(body=body.encode())
        etag, block_ids = await self.store.committed_blocks(request.path)
        rows = "".join(f"<Block><Name>{_base64(name)}</Name></Block>" for name in block_ids)
        body = f"<BlockList><CommittedBlocks>{rows}</CommittedBlocks></BlockList>"
        return web.Response(body=body.encode(), headers={"ETag": etag})

    async def _execute_on_container(self, request: Received) -> web.Response:
        """Execute an operation on the container, or on the account."""
        if request.query.get("comp") == "batch":
            return await self._execute_batch(request)
        if request.query["restype"] == "service":
            return web.Response(body=_KEY)
        if request.query["restype"] == "account":
            return web.Response(headers={"x-ms-is-hns-enabled": "false"})
        if request.method == "PUT":
            return Instead(409, "ContainerAlreadyExists").response()
        if request.method == "HEAD":
            return web.Response(headers={"x-ms-has-immutability-policy": "false"})
        return await self._list(request)

    async def _read(self, request: Received) -> web.Response:
        found = await self.store.get(request.path, limit=2**40, condition=_condition(request))
        headers = _headers_of(found.properties)
        if request.method == "HEAD":
            return web.Response(headers=headers | {"Content-Length": str(found.properties.size)})
        if "x-ms-range" not in request.headers:
            return web.Response(body=found.content, headers=headers)
        first, last = re.findall(r"\d+", request.headers["x-ms-range"])
        part = found.content[int(first) : int(last) + 1]
        if not part:
            raise RangeNotSatisfiable(request.path)
        size = found.properties.size
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{size}"
        return web.Response(status=206, body=part, headers=headers)

    async def _write(self, request: Received, comp: str) -> web.Response:
        path, condition = request.path, _condition(request)
        metadata = {
            name.lower().removeprefix("x-ms-meta-"): value
            for name, value in request.headers.items()
            if name.lower().startswith("x-ms-meta-")
        }
        source = request.headers.get("x-ms-copy-source")
        source_path = urlsplit(source).path.split("/", 3)[3] if source else ""
        if comp == "block":
            block_id = base64.b64decode(request.query["blockid"]).decode()
            if source:
                await self.store.stage_from(path, block_id, source_path)
            else:
                md5 = base64.b64decode(request.headers["Content-MD5"])
                await self.store.stage(path, block_id, request.body, md5=md5)
            return web.Response(status=201)
        if comp == "metadata":
            etag = await self.store.set_metadata(path, metadata, condition=condition)
            return web.Response(headers={"ETag": etag})
        if comp == "blocklist":
            names = re.findall(rb"<Latest>(.*?)</Latest>", request.body)
            block_ids = [base64.b64decode(name).decode() for name in names]
            etag = await self.store.commit(path, block_ids, metadata=metadata, condition=condition)
        elif source:
            etag = await self.store.copy(
                path, source_path, size=0, metadata=metadata, condition=condition
            )
        else:
            etag = await self.store.put(path, request.body, metadata=metadata, condition=condition)
        return web.Response(status=201, headers={"ETag": etag})

    async def _list(self, request: Received) -> web.Response:
        query = request.query
        page = await self.store.list_page(
            query["prefix"],
            by_folder="delimiter" in query,
            metadata="metadata" in query.get("include", ""),
            uncommitted="uncommittedblobs" in query.get("include", ""),
            start_from=query.get("startFrom"),
            continuation=query.get("marker"),
            limit=int(query["maxresults"]),
        )
        return web.Response(body=_listing(page))


@asynccontextmanager
async def scripted_storage(trust: Trust | None = None) -> AsyncIterator[ScriptedStorage]:
    """Run the server on a free loopback port, on this event loop; with TLS if there is a trust."""
    storage = ScriptedStorage()
    server = web.Server(storage.handle, keepalive_timeout=1e6)
    runner = web.ServerRunner(server, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    tls = trust.server_context() if trust else None
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    host, port = runner.addresses[0]
    storage.service_url = f"http{'s' if trust else ''}://{host}:{port}/{ACCOUNT}"
    try:
        yield storage
    finally:
        await runner.cleanup()


async def _received(request: web.BaseRequest) -> Received:
    _, _, path = request.path.removeprefix(f"/{ACCOUNT}/").partition("/")
    return Received(
        request.method,
        path,
        dict(request.query),
        request.headers.copy(),
        await request.content.read(),
        request.raw_path,
    )


def _received_part(part: SentPart) -> Received:
    _, _, path = unquote(part.path).removeprefix(f"/{ACCOUNT}/").partition("/")
    return Received(part.method, path, {}, CIMultiDict(part.headers), b"", part.path)


def _reset(request: web.BaseRequest) -> NoReturn:
    assert isinstance(request.transport, asyncio.Transport)
    request.transport.abort()
    raise asyncio.CancelledError


def _condition(request: Received) -> Condition:
    headers = request.headers
    return Condition(headers.get("If-Match"), headers.get("If-None-Match") == "*")


def _headers_of(properties: Properties) -> dict[str, str]:
    return {
        "ETag": properties.etag,
        "Last-Modified": format_datetime(properties.last_modified, usegmt=True),
        "x-ms-blob-type": "AppendBlob" if properties.is_append else "BlockBlob",
        **{f"x-ms-meta-{name}": value for name, value in properties.metadata.items()},
    }


def _listing(page: Page) -> bytes:
    marker = escape(page.continuation or "")
    return (
        f"<EnumerationResults><Blobs>{''.join(_rows(page.entries))}</Blobs>"
        f"<NextMarker>{marker}</NextMarker></EnumerationResults>"
    ).encode()


def _rows(entries: Sequence[Entry]) -> Iterable[str]:
    for entry in entries:
        name, found = f"<Name>{escape(entry.path)}</Name>", entry.properties
        if entry.uncommitted:
            size = "<Content-Length>0</Content-Length>"
            yield f"<Blob>{name}<Properties>{size}</Properties></Blob>"
            continue
        if found is None:
            yield f"<BlobPrefix>{name}</BlobPrefix>"
            continue
        metadata = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in found.metadata.items())
        yield (
            f"<Blob>{name}<Properties>"
            f"<Last-Modified>{format_datetime(found.last_modified, usegmt=True)}</Last-Modified>"
            f"<Etag>{escape(found.etag)}</Etag><Content-Length>{found.size}</Content-Length>"
            f"</Properties><Metadata>{metadata}</Metadata></Blob>"
        )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SIGNING_KEY = base64.b64encode(b"the signing key that is a secret").decode()

_KEY = (
    "<UserDelegationKey><SignedOid>o</SignedOid><SignedTid>t</SignedTid>"
    "<SignedStart>2020-01-01T00:00:00Z</SignedStart>"
    "<SignedExpiry>2099-01-01T00:00:00Z</SignedExpiry>"
    "<SignedService>b</SignedService><SignedVersion>2026-02-06</SignedVersion>"
    f"<Value>{SIGNING_KEY}</Value></UserDelegationKey>"
).encode()
