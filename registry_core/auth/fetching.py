"""Documents of an issuer elsewhere: its keys, its discovery. No other module here does HTTP."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp


class FetchFailed(Exception):
    """It did not come, or is not what was asked for. The text names the URL and says why."""


def is_fetchable(url: str) -> bool:
    """Whether nobody on the way could change what comes: HTTPS, or from this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    )


async def fetch_json(
    url: str,
    *,
    timeout: float = 10,  # noqa: ASYNC109 - aiohttp keeps it
    limit_bytes: int = 2**20,
) -> dict[str, Any]:
    """The JSON object at ``url``. Redirects are not followed.

    :raises FetchFailed: no such thing came in ``timeout`` seconds, or one of more than
        ``limit_bytes``.
    """
    if not is_fetchable(url):
        raise FetchFailed(f"{url} is not fetched: it must begin with https://")
    try:
        document = json.loads(await _fetch(url, timeout, limit_bytes))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise FetchFailed(f"{url}: {str(error) or type(error).__name__}") from error
    except (ValueError, RecursionError) as error:
        raise FetchFailed(f"{url} answered with something else than JSON") from error
    if not isinstance(document, dict):
        raise FetchFailed(f"{url} answered with JSON that is no object")
    return document


async def _fetch(url: str, seconds: float, limit_bytes: int) -> bytes:
    """A session for each: they are rare, and belong to no event loop."""
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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
