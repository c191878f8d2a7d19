"""The keys of an issuer, at a URL: kept, and fetched again when they may have changed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..spec.errors import Unavailable
from .fetching import FetchFailed, fetch_json
from .keys import Key, KeySet, parse_jwks

_log = logging.getLogger(__name__)


@dataclass
class KeysAtUrl:
    """`KeySource` of the JWK set at ``url``.

    It is fetched with the first token; again for a token that names an unknown key, though at most
    every ``pause`` seconds; and again, beside the requests, once it is older than ``keep`` seconds,
    so that a key that was taken out is not trusted for ever. While a fetch fails, the keys that
    came last go on. Requests at the same time wait for the same fetch.

    ``fetch`` gets the set, given ``url``, and raises `FetchFailed`.
    """

    url: str
    pause: float = 30.0
    keep: float = 3600.0
    now: Callable[[], float] = time.monotonic
    fetch: Callable[[str], Awaitable[dict[str, Any]]] = fetch_json
    _keys: KeySet | None = None
    _fetched: float = 0.0
    _tried: float | None = None
    _fetching: asyncio.Task[None] | None = field(default=None, repr=False)

    async def find(self, header: Mapping[str, Any]) -> Key:
        key = self._keys.get(header) if self._keys else None
        if key is None:
            await self._refresh()
        elif self.now() - self._fetched > self.keep:
            self._begin()
        if self._keys is None:
            raise Unavailable("the keys of the token's issuer cannot be had now")
        return key or await self._keys.find(header)

    async def _refresh(self) -> None:
        """Who waits may give up: the others still want it."""
        self._begin()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _begin(self) -> None:
        """One fetch at a time, with a pause between them."""
        if self._fetching is not None and not self._fetching.done():
            return
        self._fetching = None
        if self._tried is None or self.now() - self._tried >= self.pause:
            self._tried = self.now()
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        """Whatever happens is logged: nobody may be waiting."""
        try:
            self._keys = parse_jwks(await self.fetch(self.url))
        except (FetchFailed, ValueError) as error:
            _log.warning("the keys of a token issuer were not fetched: %s: %s", self.url, error)
        else:
            self._fetched = self.now()
