"""Signers of URLs of blobs: with the account key, or with a user delegation key.

learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from ...aio import Expiring, Refreshing
from .delegation_key import DelegationKey
from .sas import check_version, service_sas, user_delegation_sas

FetchKey = Callable[[datetime, datetime], Awaitable[DelegationKey]]
"""Calls Get User Delegation Key for a key valid from one time to another.

:raises StoreUnavailable: storage issues none.
"""

# Clocks differ: a key that is valid from now on might not be valid yet.
# learn.microsoft.com/azure/storage/common/storage-sas-overview, "Best practices"
_LEEWAY = timedelta(minutes=15)

# Delegation keys last 7 days at most. One is refreshed after a day, and not used in its last hour,
# the longest lifetime of a URL: if refreshing fails, days are left to repair it.
_KEY_LIFETIME = timedelta(days=6)
_KEY_REFRESH = timedelta(days=1)
_KEY_RESERVE = timedelta(hours=1)


@dataclass(frozen=True)
class Signature:
    """``query`` lets its bearer use one blob; ``key`` made it, None if the account key did."""

    query: str = field(repr=False)
    key: DelegationKey | None = field(default=None, repr=False)


class Signer(Protocol):
    """Signs URLs of blobs."""

    async def sign(
        self, container: str, path: str, *, seconds: float, permissions: str = "r"
    ) -> Signature:
        """Return a signature valid from now on, for ``seconds``.

        :param permissions: as for `service_sas`.
        """

    def discard(self, signature: Signature) -> bool:
        """Discard the key of a rejected signature. Returns whether `sign` now uses another."""

    async def close(self) -> None:
        """Stop refreshing keys."""


class KeySigner:
    """Signs with the account key. No calls."""

    def __init__(
        self,
        service_url: str,
        account: str,
        key: str,
        *,
        version: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Sign for the account at ``service_url``; ``account`` is its name.

        :param key: in base64.
        :param version: the protocol version that signs, from 2020-12-06 on.
        :param clock: like `time.time`.
        :raises ValueError: the version is not supported.
        """
        self._protocol = _protocol(service_url)
        self._account = account
        self._key = key
        self._version = check_version(version)
        self._clock = clock

    async def sign(
        self, container: str, path: str, *, seconds: float, permissions: str = "r"
    ) -> Signature:
        query = service_sas(
            self._account,
            self._key,
            container,
            path,
            version=self._version,
            expiry=datetime.fromtimestamp(self._clock() + seconds, UTC),
            permissions=permissions,
            protocol=self._protocol,
        )
        return Signature(query)

    def discard(self, signature: Signature) -> bool:
        return False

    async def close(self) -> None:
        pass


class DelegatedSigner:
    """Signs with a user delegation key, which storage issues to identities: one call a day."""

    def __init__(
        self,
        service_url: str,
        account: str,
        fetch_key: FetchKey,
        *,
        version: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Sign with the keys that ``fetch_key`` returns. The others: as for `KeySigner`.

        The account's name is part of what is signed: that of a custom domain is not in its URL.
        """
        self._protocol = _protocol(service_url)
        self._account = account
        self._version = check_version(version)
        self._fetch_key = fetch_key
        self._clock = clock
        self._keys: Refreshing[DelegationKey] = Refreshing(
            "the signing key", self._fetch, clock=clock
        )

    async def sign(
        self, container: str, path: str, *, seconds: float, permissions: str = "r"
    ) -> Signature:
        key = await self._keys.get()
        query = user_delegation_sas(
            self._account,
            key,
            container,
            path,
            version=self._version,
            expiry=min(self._now() + timedelta(seconds=seconds), key.expires_at),
            permissions=permissions,
            protocol=self._protocol,
        )
        return Signature(query, key)

    def discard(self, signature: Signature) -> bool:
        return signature.key is not None and self._keys.drop(signature.key)

    async def prepare(self) -> None:
        """Fetch a key unless there is one.

        :raises StoreUnavailable: storage issues none.
        """
        await self._keys.get()

    async def close(self) -> None:
        await self._keys.close()

    async def _fetch(self) -> Expiring[DelegationKey]:
        began, now = self._clock(), self._now()
        key = await self._fetch_key(now - _LEEWAY, now + _KEY_LIFETIME)
        expires_at = (key.expires_at - _KEY_RESERVE).timestamp()
        return Expiring(key, began + _KEY_REFRESH.total_seconds(), expires_at)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _protocol(service_url: str) -> str:
    # Only an emulator is used without TLS.
    return "https,http" if urlsplit(service_url).scheme == "http" else "https"
