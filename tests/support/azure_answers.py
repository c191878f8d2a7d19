"""Azurite that answers as Azure does where a write meets an append blob.

Azure does not let a Put Blob, a Put Block List or a Copy Blob change the kind of a blob: 409
InvalidBlobType. Azurite writes over it. This proxy stands before it and refuses in its place.

    with AzureAnswers(azurite) as azure:
        azure.connection_string

Source: REST docs, "Blob service error codes" and the remarks of these operations.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Literal
from urllib.parse import unquote

from aiohttp import ClientSession, web
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from yarl import URL

from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from tests.support.reverse_proxy import ReverseProxy

Precedence = Literal["InvalidBlobType", "BlobAlreadyExists", "ConditionNotMet"]
"""What `If-None-Match: *` is answered with where there is an append blob.

Both are true of such a request, and it is not documented which of them Azure finds first.
"""


class AzureAnswers(ReverseProxy):
    """``refused`` counts the requests that it refused."""

    def __init__(self, azurite: Azurite, *, if_absent: Precedence = "InvalidBlobType") -> None:
        super().__init__()
        self._azurite = azurite
        self._if_absent = if_absent
        self.refused = 0

    @property
    def connection_string(self) -> str:
        """What the Azure SDK needs to know, to come by here."""
        own = self._azurite.service_url.replace(f"127.0.0.1:{self._azurite.port}", self.authority)
        return self._azurite.connection_string.replace(self._azurite.service_url, own)

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        if _writes_whole(request) and await self._meets_append_blob(out, request):
            self.refused += 1
            await request.read()
            if request.headers.get("If-None-Match") == "*":
                return _refusal(self._if_absent)
            return _refusal("InvalidBlobType")
        return await self.forward(out, request, f"127.0.0.1:{self._azurite.port}")

    async def _meets_append_blob(self, out: ClientSession, request: web.BaseRequest) -> bool:
        path = request.raw_path.partition("?")[0]
        url = f"http://127.0.0.1:{self._azurite.port}{path}?{_signature(path.split('/')[2])}"
        async with out.head(URL(url, encoded=True)) as found:
            return found.headers.get("x-ms-blob-type") == "AppendBlob"


def _writes_whole(request: web.BaseRequest) -> bool:
    if request.method != "PUT":
        return False
    operation = request.query.get("comp")
    if operation is None:
        return "x-ms-blob-type" in request.headers or "x-ms-copy-source" in request.headers
    return operation == "blocklist"


def _refusal(code: Precedence) -> web.Response:
    status = HTTPStatus.PRECONDITION_FAILED if code == "ConditionNotMet" else HTTPStatus.CONFLICT
    message = f"{code}: as Azure would say it"
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
    return web.Response(
        status=status,
        text=f"{text}<Message>{message}</Message></Error>",
        content_type="application/xml",
        headers={"x-ms-error-code": code, "x-ms-request-id": "azure-answers"},
    )


def _signature(container: str) -> str:
    return generate_container_sas(
        ACCOUNT,
        unquote(container),
        account_key=KEY,
        permission=ContainerSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
        protocol="https,http",
    )
