"""The SDK's connection to the network, on which every request sent is counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiohttp import (
    BaseConnector,
    ClientSession,
    DummyCookieJar,
    TraceConfig,
    TraceRequestHeadersSentParams,
)
from azure.core.pipeline.transport import AioHttpTransport

from ...observe import count_storage_call
from .calls import current_call


class Transport(AioHttpTransport):  # type: ignore[misc] # exported late, so Any to mypy
    """Counts each request in its `Call`.

    aiohttp repeats PUT and DELETE by itself, once, when a connection breaks (RFC 9112, 9.3.1): an
    answer lost there must be noticed, too.
    """

    _opened = False

    async def open(self) -> None:
        if not self._opened:
            self._opened = True
            trace = TraceConfig()
            trace.on_request_headers_sent.append(_count)
            self.session = ClientSession(  # as azure-core makes it, and traced
                connector=self._connector(),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                trust_env=True,
                trace_configs=[trace],
            )
        await super().open()

    def _connector(self) -> BaseConnector | None:
        """Return what connects to storage, None for aiohttp's default."""
        return None


async def _count(
    _session: ClientSession, _context: SimpleNamespace, _request: TraceRequestHeadersSentParams
) -> None:
    current_call().sent += 1
    count_storage_call()


def make_transport(*, connect: float, silence: float) -> Any:
    """Return a transport; ``connect`` and ``silence`` as in `Limits`."""
    return Transport(connection_timeout=connect, read_timeout=silence)
