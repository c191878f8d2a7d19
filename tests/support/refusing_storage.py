"""Azurite over TLS with the refusals that only Azure gives: of roles, networks and signatures.

    with RefusingStorage(secure_azurite) as storage:
        storage.refuse = lambda request: ROLE_MISSING if request.method == "PUT" else None

Source: REST docs, "Common REST API error codes" and "Authorize with Microsoft Entra ID".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import ClientSession, web

from registry_core.serve.azurite import ACCOUNT
from tests.support.managed_identity import RESOURCE, TENANT
from tests.support.reverse_proxy import ReverseProxy
from tests.support.secure_azurite import SecureAzurite


@dataclass(frozen=True)
class Refusal:
    """What is answered instead."""

    status: int
    code: str
    headers: dict[str, str] = field(default_factory=dict)


ROLE_MISSING = Refusal(403, "AuthorizationPermissionMismatch")
NETWORK_CLOSED = Refusal(403, "AuthorizationFailure")
TOKEN_REFUSED = Refusal(
    401,
    "InvalidAuthenticationInfo",
    {
        "WWW-Authenticate": (
            f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize "
            f"resource_id={RESOURCE}"
        )
    },
)
SIGNATURE_REFUSED = Refusal(403, "AuthenticationFailed")
SOURCE_REFUSED = Refusal(
    403, "CannotVerifyCopySource", {"x-ms-copy-source-error-code": "AuthenticationFailed"}
)

Refuse = Callable[[web.BaseRequest], Refusal | None]


class RefusingStorage(ReverseProxy):
    """``refused`` counts the requests that it refused; ``refuse`` may be changed."""

    def __init__(self, azurite: SecureAzurite) -> None:
        super().__init__(azurite.trust)
        self._azurite = azurite
        self.refuse: Refuse = lambda _: None
        self.refused = 0

    @property
    def service_url(self) -> str:
        return f"https://{self.authority}/{ACCOUNT}"

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        refusal = self.refuse(request)
        if refusal is None:
            return await self.forward(out, request, f"127.0.0.1:{self._azurite.port}")
        self.refused += 1
        await request.read()
        named = {"x-ms-error-code": refusal.code, "x-ms-request-id": "made-up"}
        return web.Response(
            status=refusal.status,
            text=f"<Error><Code>{refusal.code}</Code><Message>as Azure says it</Message></Error>",
            content_type="application/xml",
            headers=named | refusal.headers,
        )


def is_for_key(request: web.BaseRequest) -> bool:
    """Whether it asks for a user delegation key."""
    return request.query.get("comp") == "userdelegationkey"


def is_copy(request: web.BaseRequest) -> bool:
    """Whether it reads a source by a signed URL."""
    return "x-ms-copy-source" in request.headers
