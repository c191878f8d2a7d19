"""A managed identity: App Service's token endpoint on loopback, and the environment of an app.

    with IdentityEndpoint() as identity:
        start_host(identity.environment | storage_settings(azurite, container))

learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference"
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import jwt

from tests.support.loopback_server import JsonHandler, LoopbackServer
from tests.support.secure_azurite import SecureAzurite

API_VERSION = "2019-08-01"
RESOURCE = "https://storage.azure.com"
TENANT = "5f3c2bd5-2f0e-4a5e-9c68-6f8b5a3c4d11"


@dataclass(frozen=True)
class TokenRequest:
    """A request for a token, with the right header."""

    resource: str
    client_id: str | None


class IdentityEndpoint:
    """A token endpoint that listens while its context is open.

    ``requests`` lists the requests for tokens, ``tokens`` the tokens issued. ``lifetime`` is their
    lifetime in seconds, as the answers state it (a day, as in Entra ID), and ``refresh_in`` the
    seconds after which to request the next one. ``error`` is a status and a text to answer with
    instead. While ``answering`` is clear, no request is answered. ``audience`` is the audience of
    the tokens; None for the requested resource.
    """

    def __init__(self) -> None:
        self.requests: list[TokenRequest] = []
        self.tokens: list[str] = []
        self.lifetime = 86400
        self.refresh_in: int | None = None
        self.error: tuple[int, str] | None = None
        self.audience: str | None = None
        self.answering = threading.Event()
        self.answering.set()
        self.header = uuid.uuid4().hex
        self.url = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment that App Service sets for an app with an identity."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": self.header}

    def answer(self, target: str, header: str | None) -> tuple[int, dict[str, object]]:
        """Return the status and the document for a request."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        if header != self.header or query.get("api-version") != API_VERSION:
            return 401, {"message": "wrong header or API version"}
        self.requests.append(TokenRequest(query["resource"], query.get("client_id")))
        self.answering.wait(60)
        if self.error is not None:
            status, message = self.error
            return status, {"statusCode": str(status), "message": message}
        token = storage_token(self.audience or query["resource"])
        self.tokens.append(token)
        refresh = {} if self.refresh_in is None else {"refresh_in": self.refresh_in}
        return 200, {
            **refresh,
            "access_token": token,
            "expires_on": str(int(time.time()) + self.lifetime),
            "resource": query["resource"],
            "token_type": "Bearer",
            "client_id": query.get("client_id", ""),
        }

    def __enter__(self) -> Self:
        self._server = LoopbackServer(_handler(self))
        self.url = self._server.url
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.answering.set()
        self._server.stop()


def storage_token(audience: str) -> str:
    """Return a token with the claims of Entra ID, valid for a day."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 86400,
        "oid": "0c0f5b5e-90c9-4a31-8d13-3f2b3a8a7a10",
        "tid": TENANT,
        "ver": "1.0",
        "uti": uuid.uuid4().hex,
    }
    return jwt.encode(claims, "nothing checks the signature, so any key of 32 bytes will do")


def storage_settings(azurite: SecureAzurite, container: str) -> dict[str, str]:
    """Return the settings of a host: the storage's URL and certificate, and no key."""
    return {
        "REGISTRY_STORAGE_AZURE_SERVICEURL": azurite.service_url,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container,
        "SSL_CERT_FILE": str(azurite.trust.bundle),
    }


def _handler(endpoint: IdentityEndpoint) -> type[JsonHandler]:
    class Handler(JsonHandler):
        def answer(self, body: bytes | None) -> None:
            status, document = endpoint.answer(self.path, self.headers.get("X-IDENTITY-HEADER"))
            self.reply(status, json.dumps(document).encode())

    return Handler
