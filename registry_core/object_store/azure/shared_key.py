"""Signatures of requests with the account key.

learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key, "Blob, Queue, and File
Services (Shared Key authorization)", 2015-02-21 and later
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

# In this order; a missing one is an empty line. `Date` stays empty: requests have `x-ms-date`.
_SIGNED_HEADERS = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
)


class SharedKey:
    """Authorizes requests with the key of an account."""

    def __init__(self, account: str, key: str) -> None:
        """Take the key in base64.

        :raises ValueError: it is not base64.
        """
        self._account = account
        self._hmac = hmac.new(_decode(key), digestmod=hashlib.sha256)

    async def authorize(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> str:
        """See `sign`. Nothing has to be waited for."""
        return self.sign(method, path, query, headers)

    def sign(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> str:
        """Return the ``Authorization`` header of a request.

        :param path: the path of the URL as it is sent, percent-encoded.
        :param query: the parameters of the query, decoded.
        :param headers: the headers of the request, spelt as in `_SIGNED_HEADERS` and those of
            storage in lower case. A ``Content-Length`` of 0 is left out.
        """
        lines = [method, *(headers.get(name, "") for name in _SIGNED_HEADERS)]
        of_storage = sorted((name for name in headers if name.startswith("x-ms-")), key=_collated)
        lines += [f"{name}:{headers[name]}" for name in of_storage]
        lines.append(f"/{self._account}{path}")
        lines += [f"{name.lower()}:{query[name]}" for name in sorted(query)]
        signature = self._hmac.copy()
        signature.update("\n".join(lines).encode())
        return f"SharedKey {self._account}:{base64.b64encode(signature.digest()).decode()}"

    def reject(self, authorization: str) -> bool:
        """Return False: there is one key."""
        return False

    async def close(self) -> None:
        """Do nothing."""


def _decode(key: str) -> bytes:
    try:
        return base64.b64decode(key, validate=True)
    except ValueError:
        raise ValueError("the account key is not base64, as the portal shows it") from None


def _collated(name: str) -> str:
    """Return the sort key of a header: storage ignores "-", and puts "_" before digits."""
    return name.replace("-", "").replace("_", " ")
