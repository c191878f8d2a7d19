"""Tokens of a managed identity, from the token endpoint of App Service and Functions.

One small request: azure-identity, which makes the same one, takes a quarter of a second of CPU to
import, more than all else that a new instance does before it answers its first pull.
Source: learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference".
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

import aiohttp

_API_VERSION = "2019-08-01"
_DELAYS = (0.5, 1.0, 2.0)
"""Seconds before each further attempt: the endpoint may start later than the app, or be busy."""


@dataclass(frozen=True)
class TokenEndpoint:
    """The address and the secret header that App Service gives an app in its environment."""

    url: str
    header: str = field(repr=False)


@dataclass(frozen=True)
class ManagedToken:
    """A token. ``expires_on`` and ``refresh_on`` are seconds since 1970."""

    token: str = field(repr=False)
    expires_on: int
    refresh_on: int | None = None


class ManagedIdentity:
    """A credential like azure-identity's; ``client_id`` selects one of several identities."""

    def __init__(self, endpoint: TokenEndpoint, client_id: str | None) -> None:
        self._endpoint = endpoint
        self._client_id = client_id

    async def get_token_info(self, scope: str) -> ManagedToken:
        """Return a new token. The caller limits the time.

        :raises ValueError: the endpoint issues none; the text says why.
        """
        query = {"api-version": _API_VERSION, "resource": scope.removesuffix("/.default")}
        if self._client_id:
            query["client_id"] = self._client_id
        for delay in (*_DELAYS, None):
            status, text = await self._get(query)
            if status == 200:
                return _parse(text)
            is_temporary = status in (0, 429) or status >= 500
            if delay is None or not is_temporary:
                break
            await asyncio.sleep(delay)
        raise ValueError(f"the token endpoint answered {status}: {text[:1000]}")

    async def close(self) -> None:
        """Nothing is kept open: a token lasts a day."""

    async def _get(self, query: dict[str, str]) -> tuple[int, str]:
        """Return the answer's status and text; 0 and the reason without an answer."""
        headers = {"X-IDENTITY-HEADER": self._endpoint.header}
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(
                    self._endpoint.url, params=query, headers=headers, allow_redirects=False
                ) as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, OSError) as error:
            return 0, f"nothing ({type(error).__name__})"


def _parse(text: str) -> ManagedToken:
    """:raises ValueError: the answer has no token."""
    try:
        document = json.loads(text)
        token, expires_on = document["access_token"], int(document["expires_on"])
        refresh_in = document.get("refresh_in")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("the answer of the token endpoint has no token") from error
    refresh_on = None if refresh_in is None else int(time.time()) + int(refresh_in)
    return ManagedToken(token, expires_on, refresh_on)
