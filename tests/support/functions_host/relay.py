"""Forward a request to the worker and relay the answer, both as they arrive.

Sources for the headers: `DefaultHttpProxyService` (invocation id), YARP's `HttpTransformer.Default`
(`X-Forwarded-*`, loopback `Host`; they replace those of the client).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from .body import RequestBody
from .routes import forwarded

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ACTIVITY_SECONDS = 240.0  # ForwarderRequestConfig.ActivityTimeout
_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


def worker_client(http_uri: str) -> aiohttp.ClientSession:
    """Return an HTTP client that passes requests and answers on unchanged."""
    return aiohttp.ClientSession(
        http_uri,
        auto_decompress=False,
        # The worker closes connections that were idle for 5 s; close them before.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        timeout=aiohttp.ClientTimeout(total=None, sock_read=_ACTIVITY_SECONDS),
    )


class Relay:
    """The HTTP half of an invocation. `started`: the relay of the answer has begun."""

    def __init__(
        self, client: aiohttp.ClientSession, scope: Scope, body: RequestBody, send: Send
    ) -> None:
        self._client = client
        self._scope = scope
        self._body = body
        self._send = send
        self.started = False

    async def run(self, invocation_id: str) -> None:
        """Forward the request and relay the answer. Cancellation closes the worker's connection.

        :raises aiohttp.ClientError: the worker broke the connection off.
        """
        answer = await self._client.request(
            self._scope["method"],
            self._url(),
            headers=self._headers(invocation_id),
            data=self._chunks(),
            allow_redirects=False,
        )
        try:
            await self._relay(answer)
        finally:
            if self._body.is_received:
                answer.release()
            else:  # answered before the whole body was received: drop the rest
                answer.close()

    def _chunks(self) -> AsyncIterator[bytes] | None:
        chunks = self._body.chunks()
        return None if chunks is None else _behind_head(chunks)

    async def _relay(self, answer: aiohttp.ClientResponse) -> None:
        headers = [
            (name.lower(), value)
            for name, value in answer.raw_headers
            if name.decode("latin-1").lower() not in _HOP_BY_HOP
        ]
        self.started = True
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        async for piece in answer.content.iter_any():
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    def _url(self) -> URL:
        query = self._scope["query_string"].decode("latin-1")
        return URL(forwarded(self._scope["path"]) + (f"?{query}" if query else ""), encoded=True)

    def _headers(self, invocation_id: str) -> CIMultiDict[str]:
        received = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in self._scope["headers"]]
        headers = CIMultiDict((n, v) for n, v in received if n.lower() not in _HOP_BY_HOP)
        headers.extend(_upgrade(received))
        headers["X-Forwarded-Host"] = headers.popall("host", [""])[0]
        headers["X-Forwarded-Proto"] = self._scope["scheme"]
        headers["X-Forwarded-For"] = self._scope["client"][0]
        headers["x-ms-invocation-id"] = invocation_id
        return headers


def _upgrade(received: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """YARP forwards `Upgrade`, unlike the other hop-by-hop headers."""
    for name, value in received:
        if name.lower() == "upgrade":
            yield from (("Connection", "Upgrade"), (name, value))


async def _behind_head(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Make aiohttp send the head at once, as YARP does, not with the first bytes of the body."""
    yield b""
    async for chunk in chunks:
        yield chunk
