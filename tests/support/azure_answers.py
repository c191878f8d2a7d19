"""A proxy in front of Azurite that refuses writes over append blobs, as Azure does.

Azure does not let Put Blob, Put Block List or Copy Blob change the type of a blob: 409
InvalidBlobType. Azurite overwrites it.

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
"""The error for `If-None-Match: *` where there is an append blob.

All of them apply; which one Azure returns is not documented.
"""


class AzureAnswers(ReverseProxy):
    """Refuses writes over append blobs; ``refused`` counts them."""

    def __init__(self, azurite: Azurite, *, if_absent: Precedence = "InvalidBlobType") -> None:
        super().__init__()
        self._azurite = azurite
        self._if_absent = if_absent
        self.refused = 0

    @property
    def connection_string(self) -> str:
        """The connection string of Azurite through this proxy."""
        url = self._azurite.service_url.replace(f"127.0.0.1:{self._azurite.port}", self.authority)
        return self._azurite.connection_string.replace(self._azurite.service_url, url)

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        if _replaces_blob(request) and await self._targets_append_blob(out, request):
            self.refused += 1
            await request.read()
            if request.headers.get("If-None-Match") == "*":
                return _refusal(self._if_absent)
            return _refusal("InvalidBlobType")
        return await self.forward(out, request, f"127.0.0.1:{self._azurite.port}")

    async def _targets_append_blob(self, out: ClientSession, request: web.BaseRequest) -> bool:
        path = request.raw_path.partition("?")[0]
        url = f"http://127.0.0.1:{self._azurite.port}{path}?{_signature(path.split('/')[2])}"
        async with out.head(URL(url, encoded=True)) as found:
            return found.headers.get("x-ms-blob-type") == "AppendBlob"


def _replaces_blob(request: web.BaseRequest) -> bool:
    if request.method != "PUT":
        return False
    operation = request.query.get("comp")
    if operation is None:
        return "x-ms-blob-type" in request.headers or "x-ms-copy-source" in request.headers
    return operation == "blocklist"


def _refusal(code: Precedence) -> web.Response:
    status = HTTPStatus.PRECONDITION_FAILED if code == "ConditionNotMet" else HTTPStatus.CONFLICT
    message = f"{code}: as Azure answers"
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
