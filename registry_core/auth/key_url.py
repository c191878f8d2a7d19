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

    It is fetched with the first token; again for a token that names an unknown key, at once, but
    then not for ``pause`` seconds; and again, beside the requests, once it is older than ``keep``
    seconds, so that a key that was taken out is not trusted for ever. When a fetch fails, the keys
    that came last go on, and the next one waits for the ``pause``, too. Requests at the same time
    wait for the same fetch.

    ``fetch`` gets the set, given ``url``, and raises `FetchFailed`.
    """

    url: str
    pause: float = 30.0
    keep: float = 3600.0
    now: Callable[[], float] = time.monotonic
    fetch: Callable[[str], Awaitable[dict[str, Any]]] = fetch_json
    _keys: KeySet | None = None
    _fetched: float = 0.0
    _rests_until: float | None = None
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
        for_unknown_key = self._keys is not None
        if self._begin() and for_unknown_key:
            self._rest()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _begin(self) -> bool:
        """Whether another fetch has begun: one at a time, and none while they rest."""
        if self._fetching is not None and not self._fetching.done():
            return False
        self._fetching = None
        if self._rests_until is not None and self.now() < self._rests_until:
            return False
        self._fetching = asyncio.create_task(self._fetch())
        return True

    def _rest(self) -> None:
        self._rests_until = self.now() + self.pause

    async def _fetch(self) -> None:
        """Whatever happens is logged: nobody may be waiting."""
        try:
            self._keys = parse_jwks(await self.fetch(self.url))
        except (FetchFailed, ValueError) as error:
            self._rest()
            _log.warning("the keys of a token issuer were not fetched: %s: %s", self.url, error)
        else:
            self._fetched = self.now()
