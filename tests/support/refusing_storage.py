"""A proxy in front of Azurite that answers chosen requests with errors of Azure's.

    with RefusingStorage(azurite) as storage:
        storage.refuse = lambda request: ARCHIVED if request.method == "GET" else None

Source: REST docs, "Blob service error codes".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import ClientSession, web

from registry_core.serve.azurite import Azurite
from tests.support.reverse_proxy import ReverseProxy


@dataclass(frozen=True)
class Refusal:
    """An error answer."""

    status: int
    code: str
    elements: str = ""
    """Elements of the body besides code and message."""


ARCHIVED = Refusal(409, "BlobArchived")
IMMUTABLE = Refusal(409, "BlobImmutableDueToPolicy")
LEASED = Refusal(412, "LeaseIdMissing")
VERSION_UNKNOWN = Refusal(
    400,
    "InvalidHeaderValue",
    "<HeaderName>x-ms-version</HeaderName><HeaderValue>2026-02-06</HeaderValue>",
)

ChooseRefusal = Callable[[web.BaseRequest], Refusal | None]


class RefusingStorage(ReverseProxy):
    """Refuses the requests that ``refuse`` chooses; ``refused`` counts them.

    ``headers`` are added to the answers to all others.
    """

    def __init__(self, azurite: Azurite) -> None:
        super().__init__()
        self._azurite = azurite
        self.refuse: ChooseRefusal = lambda _: None
        self.refused = 0
        self.headers: dict[str, str] = {}

    @property
    def port(self) -> int:
        """The port of loopback where it listens."""
        return int(self.authority.rpartition(":")[2])

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        refusal = self.refuse(request)
        if refusal is None:
            return await self.forward(out, request, f"127.0.0.1:{self._azurite.port}")
        self.refused += 1
        await request.read()
        code = refusal.code
        return web.Response(
            status=refusal.status,
            text=f"<Error><Code>{code}</Code><Message>{code}</Message>{refusal.elements}</Error>",
            content_type="application/xml",
            headers={"x-ms-error-code": code, "x-ms-request-id": "made-up"},
        )

    def before_answer(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        response.headers.update(self.headers)
