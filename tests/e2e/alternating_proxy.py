"""A reverse proxy that alternates between two hosts with the requests of each upload.

with AlternatingProxy(("127.0.0.1:5001", "127.0.0.1:5002")) as proxy:
    ...                     # a client uses proxy.authority
proxy.hosts_of_uploads()    # {upload: [0, 1, 0]}
"""

from __future__ import annotations

import itertools
from urllib.parse import urlsplit

from aiohttp import ClientSession, web

from tests.support.reverse_proxy import ReverseProxy


class AlternatingProxy(ReverseProxy):
    """See `ReverseProxy`."""

    def __init__(self, hosts: tuple[str, str]) -> None:
        super().__init__()
        self._hosts = hosts
        self._turns = itertools.cycle((0, 1))
        self._uploads: dict[str, list[int]] = {}
        self._turn_of: dict[int, int] = {}

    def hosts_of_uploads(self) -> dict[str, list[int]]:
        """Return, for each upload's path, the host of each request, starting with the POST."""
        return self._uploads

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        turn = self._turn_of[id(request)] = self._turn(request.path)
        try:
            return await self.forward(out, request, self._hosts[turn])
        finally:
            del self._turn_of[id(request)]

    def before_answer(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        if request.method == "POST" and response.status == 202:
            self._uploads[urlsplit(response.headers["Location"]).path] = [
                self._turn_of[id(request)]
            ]

    def _turn(self, path: str) -> int:
        """Choose the host: not the one of the upload's last request."""
        taken = self._uploads.get(path)
        if taken is None:
            return next(self._turns)
        taken.append(1 - taken[-1])
        return taken[-1]
