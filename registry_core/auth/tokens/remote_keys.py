"""The keys of an issuer, fetched from a URL. No other module of `auth` makes HTTP requests."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ...aio import Expiring, Refreshing
from ...spec.errors import Unavailable
from ..secure_urls import is_secure_url
from .keys import Key, KeySet, parse_jwks

_log = logging.getLogger(__name__)


class FetchFailed(Exception):
    """The document could not be fetched, or is not as expected. The text has the URL and why."""


async def fetch_json(
    url: str,
    *,
    timeout: float = 10,  # noqa: ASYNC109 - aiohttp enforces it
    limit_bytes: int = 2**20,
) -> dict[str, Any]:
    """Return the JSON object at a URL. Redirects are not followed.

    :raises FetchFailed: no JSON object arrived in ``timeout`` seconds, or it is longer than
        ``limit_bytes``.
    """
    if not is_secure_url(url):
        raise FetchFailed(f"{url} is not fetched: the URL must begin with https://")
    try:
        document = json.loads(await _fetch(url, timeout, limit_bytes))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise FetchFailed(f"{url}: {str(error) or type(error).__name__}") from error
    except (ValueError, RecursionError) as error:
        raise FetchFailed(f"the answer of {url} is not JSON") from error
    if not isinstance(document, dict):
        raise FetchFailed(f"the answer of {url} is not a JSON object")
    return document


async def _fetch(url: str, seconds: float, limit_bytes: int) -> bytes:
    # A session for each fetch: they are rare, and a shared one would belong to one event loop.
    limit = aiohttp.ClientTimeout(total=seconds)
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        session.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as answer,
    ):
        if answer.status != 200:
            raise FetchFailed(f"{url} answered {answer.status}")
        content = bytearray()
        async for piece in answer.content.iter_any():
            content += piece
            if len(content) > limit_bytes:
                raise FetchFailed(f"{url} answered with more than {limit_bytes} bytes")
        return bytes(content)


@dataclass
class KeysAtUrl:
    """`KeySource` of the JWK set at a URL.

    The set is fetched for the first token, and again in the background once it is older than
    ``max_age`` seconds, so that a withdrawn key is not trusted for ever. It is fetched at once for
    a token that names an unknown key, but then not again for ``pause`` seconds. While fetches fail,
    the keys that were fetched last are used.

    ``fetch`` returns the set for ``url``, or raises `FetchFailed`.
    """

    url: str
    pause: float = 30.0
    max_age: float = 3600.0
    now: Callable[[], float] = time.monotonic
    fetch: Callable[[str], Awaitable[dict[str, Any]]] = fetch_json
    _keys: Refreshing[KeySet] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._keys = Refreshing(
            f"the keys at {self.url}",
            self._fetch,
            retry_seconds=self.pause,
            background_retry_seconds=self.pause,
            clock=self.now,
        )

    async def find(self, header: Mapping[str, Any]) -> Key:
        earlier = self._keys.current
        keys = await self._keys.get()
        if keys is earlier and keys.get(header) is None:
            keys = await self._keys.refresh()
        return await keys.find(header)

    async def _fetch(self) -> Expiring[KeySet]:
        try:
            keys = parse_jwks(await self.fetch(self.url))
        except (FetchFailed, ValueError) as error:
            if self._keys.current is None:
                _log.warning("could not fetch the keys of a token issuer: %s: %s", self.url, error)
            raise Unavailable(
                f"the keys of a token issuer cannot be fetched: {self.url}: {error}",
                public="the keys of the token's issuer cannot be fetched now",
            ) from error
        return Expiring(keys, refresh_at=self.now() + self.max_age)
