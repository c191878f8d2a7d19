"""User delegation keys: how one is requested, and how storage answers.

With such a key, which storage issues to identities, URLs are signed without an account key.
learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import quote

from aiohttp import ClientResponse

from .client import XML, BlobClient, Request
from .error_codes import SIGNING
from .errors import AnswerMalformed

# The elements of an answer, none of which needs escaping: GUIDs, times, base64.
_ELEMENT = re.compile(rb"<(\w+)>\s*([^<>\s]+)\s*</\1>")


@dataclass(frozen=True)
class DelegationKey:
    """A user delegation key: texts, as signatures contain them.

    ``oid`` and ``tid`` are the identity's object ID and its tenant, ``start`` and ``expiry`` the
    key's validity as `format_time` gives them, ``service`` is "b", ``version`` the protocol version
    that issued it, and ``value`` the secret, in base64.
    """

    oid: str
    tid: str
    start: str
    expiry: str
    service: str
    version: str
    value: str = field(repr=False)

    @cached_property
    def expires_at(self) -> datetime:
        """When the key expires, which may be earlier than requested."""
        return datetime.fromisoformat(self.expiry)

    @cached_property
    def parameters(self) -> str:
        """The part of a signed URL's query that names the key."""
        values = {
            "skoid": self.oid,
            "sktid": self.tid,
            "skt": self.start,
            "ske": self.expiry,
            "sks": self.service,
            "skv": self.version,
        }
        return "&".join(f"{name}={quote(value)}" for name, value in values.items())


def format_time(time: datetime) -> str:
    """Return an aware time in UTC, to the second, as storage writes it: "2026-01-31T23:59:59Z"."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


async def fetch_key(client: BlobClient, start: datetime, expiry: datetime) -> DelegationKey:
    """Return a user delegation key, valid between two times. One call.

    :raises StoreUnavailable: storage issues none.
    """

    async def read(response: ClientResponse) -> DelegationKey:
        return parse_key(await response.read())

    request = Request(
        operation=SIGNING,
        method="POST",
        subject=client.target.account,
        resource="",
        consume=read,
        query={"restype": "service", "comp": "userdelegationkey"},
        headers=XML,
        body=key_request(start, expiry),
    )
    return (await client.send(request)).value


def key_request(start: datetime, expiry: datetime) -> bytes:
    """Return the request body of Get User Delegation Key, for a key valid between two times.

    Storage accepts an ``expiry`` at most 7 days from now.
    """
    return (
        "<?xml version='1.0' encoding='utf-8'?>\n"
        f"<KeyInfo><Start>{format_time(start)}</Start><Expiry>{format_time(expiry)}</Expiry></KeyInfo>"
    ).encode()


def parse_key(body: bytes) -> DelegationKey:
    """Return the key in an answer to Get User Delegation Key.

    :raises AnswerMalformed: the answer is not understood.
    """
    elements = {name.decode(): text.decode() for name, text in _ELEMENT.findall(body)}
    try:
        return DelegationKey(
            oid=elements["SignedOid"],
            tid=elements["SignedTid"],
            start=_normalized(elements["SignedStart"]),
            expiry=_normalized(elements["SignedExpiry"]),
            service=elements["SignedService"],
            version=elements["SignedVersion"],
            value=elements["Value"],
        )
    except (KeyError, ValueError) as error:
        # The answer contains a secret, so it is not quoted.
        raise AnswerMalformed(f"malformed user delegation key: {error}") from None


def _normalized(time: str) -> str:
    return format_time(datetime.fromisoformat(time))
