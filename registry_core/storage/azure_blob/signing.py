"""Shared access signatures: permission to read one blob for a while, as a query string.

learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient

from .calls import calling

# Clocks differ: what is valid from now on might not be valid yet.
_LEEWAY = timedelta(seconds=10)

# Storage makes delegation keys for 7 days at most; no URL outlives the rest that ours have left.
_KEY_LIFETIME = timedelta(days=6)
_KEY_RENEWAL = timedelta(days=1)


class Signer(Protocol):
    async def sign(self, container: str, path: str, *, seconds: int) -> str:
        """A query string that lets its bearer read the blob, from just before now on."""


@dataclass(frozen=True)
class KeySigner:
    """Signs with the account's key. No call."""

    service_url: str
    account: str
    key: str

    async def sign(self, container: str, path: str, *, seconds: int) -> str:
        start = datetime.now(UTC) - _LEEWAY
        return generate_blob_sas(
            self.account,
            container,
            path,
            account_key=self.key,
            permission=BlobSasPermissions(read=True),
            start=start,
            expiry=start + _LEEWAY + timedelta(seconds=seconds),
            protocol=_protocol(self.service_url),
        )


@dataclass
class DelegatedSigner:
    """Signs with a user delegation key, which storage gives to Entra ID's users: one call a day."""

    service_url: str
    account: str
    service: BlobServiceClient
    seconds: float
    _key: UserDelegationKey | None = None
    _renewal: datetime | None = None
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def sign(self, container: str, path: str, *, seconds: int) -> str:
        now = datetime.now(UTC)
        return generate_blob_sas(
            self.account,
            container,
            path,
            user_delegation_key=await self._current_key(now),
            permission=BlobSasPermissions(read=True),
            start=now - _LEEWAY,
            expiry=now + timedelta(seconds=seconds),
            protocol=_protocol(self.service_url),
        )

    async def _current_key(self, now: datetime) -> UserDelegationKey:
        async with self._renewing:
            if self._key is None or self._renewal is None or now >= self._renewal:
                async with calling("user_delegation_key", self.account, seconds=self.seconds):
                    self._key = await self.service.get_user_delegation_key(
                        now - _LEEWAY, now + _KEY_LIFETIME
                    )
                self._renewal = now + _KEY_RENEWAL
            return self._key


def _protocol(service_url: str) -> str:
    # Only an emulator is reached without TLS.
    return "https,http" if urlsplit(service_url).scheme == "http" else "https"


def account_of(service_url: str) -> str:
    """The account's name: `https://NAME.blob.core.windows.net`, or `http://127.0.0.1:10000/NAME`."""
    parts = urlsplit(service_url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
