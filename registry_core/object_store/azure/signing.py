"""Shared access signatures: query strings that permit reading one blob for a while.

learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient

from ...aio import Expiring, Refreshing
from .access_denied import SIGNING, StorageTarget
from .calls import calling

# Clocks differ: a signature valid from now on might not be valid yet.
_LEEWAY = timedelta(seconds=10)

# Delegation keys last 7 days at most. One is refreshed after a day, and not used in its last hour,
# the longest lifetime of a URL: if refreshing fails, days are left to repair it.
_KEY_LIFETIME = timedelta(days=6)
_KEY_REFRESH = timedelta(days=1)
_KEY_RESERVE = timedelta(hours=1)


@dataclass(frozen=True)
class Signature:
    """``query`` lets its bearer read one blob; ``key`` made it, None if the account key did."""

    query: str = field(repr=False)
    key: UserDelegationKey | None = field(default=None, repr=False)


class Signer(Protocol):
    """Signs URLs of blobs."""

    async def sign(self, container: str, path: str, *, seconds: float) -> Signature:
        """Return a signature valid for ``seconds``, from just before now."""

    def discard(self, signature: Signature) -> bool:
        """Discard the key of a rejected signature. Returns whether `sign` now uses another."""

    async def close(self) -> None:
        """Stop refreshing keys."""


@dataclass(frozen=True)
class KeySigner:
    """Signs with the account key. No calls."""

    service_url: str
    account: str
    key: str = field(repr=False)

    async def sign(self, container: str, path: str, *, seconds: float) -> Signature:
        start = datetime.now(UTC) - _LEEWAY
        end = start + _LEEWAY + timedelta(seconds=seconds)
        return Signature(
            _query(self, container, path, start=start, expiry=end, account_key=self.key)
        )

    def discard(self, signature: Signature) -> bool:
        return False

    async def close(self) -> None:
        pass


class DelegatedSigner:
    """Signs with a user delegation key, which storage issues to identities: one call a day.

    ``seconds`` limit that call; ``clock`` is like `time.time`.
    """

    def __init__(
        self,
        service_url: str,
        service: BlobServiceClient,
        target: StorageTarget,
        *,
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.service_url = service_url
        self.account = target.account
        self._service = service
        self._target = target
        self._seconds = seconds
        self._clock = clock
        self._keys: Refreshing[UserDelegationKey] = Refreshing(
            "the signing key", self._fetch, clock=clock
        )

    async def sign(self, container: str, path: str, *, seconds: float) -> Signature:
        key, now = await self._keys.get(), self._now()
        end = min(now + timedelta(seconds=seconds), _expiry_of(key))
        query = _query(
            self, container, path, start=now - _LEEWAY, expiry=end, user_delegation_key=key
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

    async def _fetch(self) -> Expiring[UserDelegationKey]:
        began, now = self._clock(), self._now()
        async with calling(SIGNING, self.account, seconds=self._seconds, target=self._target):
            key = await self._service.get_user_delegation_key(now - _LEEWAY, now + _KEY_LIFETIME)
        expires_at = (_expiry_of(key) - _KEY_RESERVE).timestamp()
        return Expiring(key, began + _KEY_REFRESH.total_seconds(), expires_at)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _expiry_of(key: UserDelegationKey) -> datetime:
    """Return when a key expires: storage may issue it for less time than requested."""
    return datetime.fromisoformat(key.signed_expiry or "")


def _query(signer: KeySigner | DelegatedSigner, container: str, path: str, **options: Any) -> str:
    query: str = generate_blob_sas(
        signer.account,
        container,
        path,
        permission=BlobSasPermissions(read=True),
        protocol=_protocol(signer.service_url),
        **options,
    )
    return query


def _protocol(service_url: str) -> str:
    # Only an emulator is used without TLS.
    return "https,http" if urlsplit(service_url).scheme == "http" else "https"


def account_of(service_url: str) -> str:
    """Return the account's name, NAME.

    From `https://NAME.blob.core.windows.net` or `http://127.0.0.1:10000/NAME`.
    """
    parts = urlsplit(service_url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
