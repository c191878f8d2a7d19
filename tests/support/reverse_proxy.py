"""A reverse proxy on loopback, to observe or change the traffic of a server.

Bodies stream both ways, and requests are forwarded unchanged, including `Host`: their signatures
stay valid, and a server that answers with absolute URLs names the proxy.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from yarl import URL

from tests.support.secure_azurite import Connections, Trust

# They belong to one connection, not to the message (RFC 9110, section 7.6.1).
_HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade")


class ReverseProxy:
    """The proxy; it runs in a thread while its context is entered.

    A subclass handles requests in `answer`. ``authority`` is where it listens. With ``trust`` it
    uses TLS on both sides.
    """

    def __init__(self, trust: Trust | None = None) -> None:
        self.authority = ""
        self._trust = trust

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, usually by `forward`."""
        raise NotImplementedError

    def before_answer(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Called with what `forward` got, before the client sees any of it."""

    async def forward(
        self,
        out: ClientSession,
        request: web.BaseRequest,
        authority: str,
        body: bytes | None = None,
    ) -> web.StreamResponse:
        """Forward a request to the server at ``authority`` and return its answer.

        Its body streams, unless ``answer`` has read it, and gives it as ``body``.
        """
        headers = request.headers.copy()
        for name in (*_HOP_BY_HOP, "Expect"):
            headers.popall(name, None)
        async with out.request(
            request.method,
            URL(f"http{'s' if self._trust else ''}://{authority}{request.raw_path}", encoded=True),
            headers=headers,
            data=body or (request.content if request.can_read_body else None),
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers=answer.headers)
            for name in _HOP_BY_HOP:
                response.headers.popall(name, None)
            self.before_answer(request, response)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    def __enter__(self) -> Self:
        ready: Future[str] = Future()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(ready),))
        self._thread.start()
        self.authority = ready.result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        self._thread.join()

    async def _serve(self, ready: Future[str]) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self._stop: Callable[[], object] = lambda: loop.call_soon_threadsafe(stopped.set)
        connections = Connections(self._trust) if self._trust else None
        async with ClientSession(
            # Connections are not reused: a request on one that the server just closed would fail,
            # and a streamed body cannot be sent again.
            connector=(connections.connector if connections else TCPConnector)(force_close=True),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
            # No headers are added.
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        ) as out:
            server = web.Server(lambda request: self.answer(out, request))
            runner = web.ServerRunner(server)
            await runner.setup()
            tls = self._trust.server_context() if self._trust else None
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            ready.set_result("{}:{}".format(*runner.addresses[0]))
            await stopped.wait()
            await runner.cleanup()
        if connections:
            await connections.ended()
