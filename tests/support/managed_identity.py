"""A managed identity: App Service's endpoint for tokens on loopback, and what a host is told of it.

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
class Asked:
    """A request for a token that had the header it needs."""

    resource: str
    client_id: str | None


class IdentityEndpoint:
    """Listens from entering the context until leaving it.

    ``asked`` lists the requests for tokens, and ``given`` the tokens. ``lifetime`` is what it says
    of them, in seconds (Entra's own is a day), and ``refresh_in`` when to ask for the next one.
    ``refusal`` is a status and a text to answer with instead. While ``answering`` is clear, no
    request is answered. ``audience`` is for whom the tokens are; what was asked for, if None.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.given: list[str] = []
        self.lifetime = 86400
        self.refresh_in: int | None = None
        self.refusal: tuple[int, str] | None = None
        self.audience: str | None = None
        self.answering = threading.Event()
        self.answering.set()
        self.header = uuid.uuid4().hex
        self.url = ""

    @property
    def environment(self) -> dict[str, str]:
        """What App Service tells an app that has an identity."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": self.header}

    def answer(self, target: str, header: str | None) -> tuple[int, dict[str, object]]:
        """Status and document for a request."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        if header != self.header or query.get("api-version") != API_VERSION:
            return 401, {"message": "not the header or the version of this endpoint"}
        self.asked.append(Asked(query["resource"], query.get("client_id")))
        self.answering.wait(60)
        if self.refusal is not None:
            status, message = self.refusal
            return status, {"statusCode": str(status), "message": message}
        token = storage_token(self.audience or query["resource"])
        self.given.append(token)
        sooner = {} if self.refresh_in is None else {"refresh_in": self.refresh_in}
        return 200, {
            **sooner,
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
    """Claims as Entra ID has them. Good for a day, so that none is too late."""
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
    return jwt.encode(claims, "nobody checks the signature, so any key of 32 bytes will do")


def storage_settings(azurite: SecureAzurite, container: str) -> dict[str, str]:
    """What a host is told of storage: where it is, whom to trust, and no key."""
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
