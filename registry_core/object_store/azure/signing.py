"""Shared access signatures: permission to read one blob for a while, as a query string.

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
from .calls import calling
from .refusals import SIGNING, Entrance

# Clocks differ: what is valid from now on might not be valid yet.
_LEEWAY = timedelta(seconds=10)

# Storage makes delegation keys for 7 days at most. One is renewed after a day, and not used for its
# last hour, which is as long as any URL holds: if renewing fails, there are days left to cure it.
_KEY_LIFETIME = timedelta(days=6)
_KEY_RENEWAL = timedelta(days=1)
_KEY_REST = timedelta(hours=1)


@dataclass(frozen=True)
class Signature:
    """``query`` lets its bearer read one blob; ``key`` made it, None where no other could."""

    query: str = field(repr=False)
    key: UserDelegationKey | None = field(default=None, repr=False)


class Signer(Protocol):
    async def sign(self, container: str, path: str, *, seconds: float) -> Signature:
        """A signature that holds from just before now on."""

    def forget(self, signature: Signature) -> bool:
        """Storage has refused it. Returns whether `sign` would now do it with another key."""

    async def close(self) -> None: ...


@dataclass(frozen=True)
class KeySigner:
    """Signs with the account's key. No call."""

    service_url: str
    account: str
    key: str = field(repr=False)

    async def sign(self, container: str, path: str, *, seconds: float) -> Signature:
        start = datetime.now(UTC) - _LEEWAY
        end = start + _LEEWAY + timedelta(seconds=seconds)
        return Signature(
            _query(self, container, path, start=start, expiry=end, account_key=self.key)
        )

    def forget(self, signature: Signature) -> bool:
        return False

    async def close(self) -> None:
        pass


class DelegatedSigner:
    """Signs with a user delegation key, which storage gives to Entra ID's users: one call a day.

    ``seconds`` bound that call; ``clock`` counts as `time.time`.
    """

    def __init__(
        self,
        service_url: str,
        service: BlobServiceClient,
        entrance: Entrance,
        *,
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.service_url = service_url
        self.account = entrance.account
        self._service = service
        self._entrance = entrance
        self._seconds = seconds
        self._clock = clock
        self._keys: Refreshing[UserDelegationKey] = Refreshing(
            "the signing key", self._fetch, clock=clock
        )

    async def sign(self, container: str, path: str, *, seconds: float) -> Signature:
        key, now = await self._keys.get(), self._now()
        end = min(now + timedelta(seconds=seconds), _end_of(key))
        query = _query(
            self, container, path, start=now - _LEEWAY, expiry=end, user_delegation_key=key
        )
        return Signature(query, key)

    def forget(self, signature: Signature) -> bool:
        return signature.key is not None and self._keys.drop(signature.key)

    async def get_ready(self) -> None:
        """Have a key. :raises StoreUnavailable: when storage gives none."""
        await self._keys.get()

    async def close(self) -> None:
        await self._keys.close()

    async def _fetch(self) -> Expiring[UserDelegationKey]:
        began, now = self._clock(), self._now()
        async with calling(SIGNING, self.account, seconds=self._seconds, entrance=self._entrance):
            key = await self._service.get_user_delegation_key(now - _LEEWAY, now + _KEY_LIFETIME)
        ends = (_end_of(key) - _KEY_REST).timestamp()
        return Expiring(key, began + _KEY_RENEWAL.total_seconds(), ends)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _end_of(key: UserDelegationKey) -> datetime:
    """As storage says it: it may give less than was asked for."""
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
    # Only an emulator is reached without TLS.
    return "https,http" if urlsplit(service_url).scheme == "http" else "https"


def account_of(service_url: str) -> str:
    """The account's name: `https://NAME.blob.core.windows.net`, or `http://127.0.0.1:10000/NAME`."""
    parts = urlsplit(service_url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
