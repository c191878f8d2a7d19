"""A reverse proxy before two registries that never sends two requests of one upload to the same.

    with AlternatingProxy(("127.0.0.1:5001", "127.0.0.1:5002")) as proxy:
        ...                     # a client that talks to proxy.authority
    proxy.hosts_of_uploads()    # {upload: [0, 1, 0]}

Bodies stream both ways, and the `Host` header stays the client's, so that a registry which answers
with absolute URLs names the proxy.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

# They belong to one connection, not to the message (RFC 9110, section 7.6.1).
_HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade")


class AlternatingProxy:
    """Runs in a thread of its own from entering the context until leaving it."""

    def __init__(self, hosts: tuple[str, str]) -> None:
        self._hosts = hosts
        self._turns = itertools.cycle((0, 1))
        self._uploads: dict[str, list[int]] = {}
        self.authority = ""

    def hosts_of_uploads(self) -> dict[str, list[int]]:
        """For each upload's path: which host took each of its requests, the starting POST first."""
        return self._uploads

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
        async with ClientSession(
            # No connection is used twice: when a host has just closed one, the request fails, and
            # a streamed body cannot be sent again.
            connector=TCPConnector(force_close=True),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        ) as out:
            server = web.Server(lambda request: self._forward(out, request))
            runner = web.ServerRunner(server)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            ready.set_result("{}:{}".format(*runner.addresses[0]))
            await stopped.wait()
            await runner.cleanup()

    async def _forward(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        turn = self._turn(request.path)
        headers = request.headers.copy()
        for name in (*_HOP_BY_HOP, "Expect"):
            headers.popall(name, None)
        async with out.request(
            request.method,
            f"http://{self._hosts[turn]}{request.raw_path}",
            headers=headers,
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            if request.method == "POST" and answer.status == 202:
                self._uploads[urlsplit(answer.headers["Location"]).path] = [turn]
            response = web.StreamResponse(status=answer.status, headers=answer.headers)
            for name in _HOP_BY_HOP:
                response.headers.popall(name, None)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    def _turn(self, path: str) -> int:
        """Which host takes a request: not the one that took the last of the same upload."""
        taken = self._uploads.get(path)
        if taken is None:
            return next(self._turns)
        taken.append(1 - taken[-1])
        return taken[-1]
