"""Entra ID's token endpoint on loopback, for an application with a client secret.

learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

from aiohttp import ClientSession, web

from tests.support.managed_identity import RESOURCE, TENANT, storage_token
from tests.support.reverse_proxy import ReverseProxy
from tests.support.secure_azurite import Trust

SECRET = "the application's secret"


class EntraTokens(ReverseProxy):
    """The endpoint, with TLS; ``requested`` lists the client id and scope of each request."""

    def __init__(self, trust: Trust) -> None:
        super().__init__(trust)
        self.requested: list[tuple[str, str]] = []

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        form = await request.post()
        assert request.path == f"/{TENANT}/oauth2/v2.0/token"
        self.requested.append((str(form["client_id"]), str(form["scope"])))
        if form["client_secret"] != SECRET:
            words = "AADSTS7000215: Invalid client secret provided."
            refusal = {"error": "invalid_client", "error_description": words}
            return web.json_response(refusal, status=401)
        token = storage_token(RESOURCE)
        return web.json_response(
            {"token_type": "Bearer", "expires_in": 3599, "access_token": token}
        )
