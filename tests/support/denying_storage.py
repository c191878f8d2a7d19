"""A proxy in front of Azurite that denies access as only Azure does: roles, networks, signatures.

    with DenyingStorage(secure_azurite) as storage:
        storage.deny = lambda request: ROLE_MISSING if request.method == "PUT" else None

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
class Denial:
    """The answer to a denied request."""

    status: int
    code: str
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """Return the answer as Azure writes it."""
        headers = {"x-ms-error-code": self.code, "x-ms-request-id": "made-up"}
        return web.Response(
            status=self.status,
            text=f"<Error><Code>{self.code}</Code><Message>as Azure answers</Message></Error>",
            content_type="application/xml",
            headers=headers | self.headers,
        )


ROLE_MISSING = Denial(403, "AuthorizationPermissionMismatch")
NETWORK_CLOSED = Denial(403, "AuthorizationFailure")
TOKEN_DENIED = Denial(
    401,
    "InvalidAuthenticationInfo",
    {
        "WWW-Authenticate": (
            f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize "
            f"resource_id={RESOURCE}"
        )
    },
)
SIGNATURE_DENIED = Denial(403, "AuthenticationFailed")
SOURCE_DENIED = Denial(
    403, "CannotVerifyCopySource", {"x-ms-copy-source-error-code": "AuthenticationFailed"}
)

ChooseDenial = Callable[[web.BaseRequest], Denial | None]


class DenyingStorage(ReverseProxy):
    """Denies the requests that ``deny`` chooses, and counts them in ``denied``."""

    def __init__(self, azurite: SecureAzurite) -> None:
        super().__init__(azurite.trust)
        self._azurite = azurite
        self.deny: ChooseDenial = lambda _: None
        self.denied = 0

    @property
    def service_url(self) -> str:
        return f"https://{self.authority}/{ACCOUNT}"

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        denial = self.deny(request)
        if denial is None:
            return await self.forward(out, request, f"127.0.0.1:{self._azurite.port}")
        self.denied += 1
        await request.read()
        return denial.response()


def requests_key(request: web.BaseRequest) -> bool:
    """Return whether a request is for a user delegation key."""
    return request.query.get("comp") == "userdelegationkey"


def is_copy(request: web.BaseRequest) -> bool:
    """Return whether a request has storage read a source by a signed URL."""
    return "x-ms-copy-source" in request.headers
