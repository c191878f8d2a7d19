"""Shared access signatures: query strings that permit access to one blob for a while.

The string to sign depends on the protocol version (`sv`). That of a service SAS has been the same
since 2020-12-06; that of a user delegation SAS gained:

    2025-07-05   the tenant and the object ID of a delegated user
    2026-04-06   request headers and query parameters that the bearer has to send

What a signature does not restrict is an empty line. None has a start time (`st`): storage would
deny the signatures of a host whose clock is ahead.

learn.microsoft.com/rest/api/storageservices/create-service-sas,
learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Final

from .delegation_key import DelegationKey, format_time

OLDEST_VERSION: Final = "2020-12-06"
NEWEST_VERSION: Final = "2026-10-06"

# The order in which storage expects permissions on a blob: read, add, create, write, delete, ...
_PERMISSIONS = re.compile("(?!$)r?a?c?w?d?x?y?t?m?e?i?")
_BLOB = "b"  # the resource that is signed (sr)
_RESPONSE_HEADERS = [""] * 5  # rscc, rscd, rsce, rscl, rsct: those of the blob
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def check_version(version: str) -> str:
    """Return a protocol version for which signatures can be made.

    :raises ValueError: the version is not a date, or what it signs is not known here.
    """
    if not (_VERSION.fullmatch(version) and OLDEST_VERSION <= version <= NEWEST_VERSION):
        raise ValueError(
            f"{version!r} is not a protocol version from {OLDEST_VERSION} to {NEWEST_VERSION}"
        )
    return version


def service_sas(
    account: str,
    key: str,
    container: str,
    path: str,
    *,
    version: str,
    expiry: datetime,
    permissions: str = "r",
    protocol: str = "https",
) -> str:
    """Return a query string for one blob, signed with the account key. No calls.

    :param key: in base64.
    :param path: the blob's name, not escaped.
    :param version: the protocol version, as `check_version` accepts it.
    :param expiry: an aware time; its fraction of a second is dropped.
    :param permissions: letters of the documentation, in its order: "r", "cw".
    :param protocol: "https", or "https,http" for an emulator.
    :raises ValueError: the version or the permissions are not valid, or the key is not base64.
    """
    expires = _check(version, permissions, expiry)
    lines = [permissions, "", expires, f"/blob/{account}/{container}/{path}"]
    lines += [""]  # si: no stored access policy
    lines += ["", protocol, version, _BLOB]  # sip: from any address
    lines += ["", ""]  # no snapshot; ses: no encryption scope
    lines += _RESPONSE_HEADERS
    return f"{_query(permissions, expires, protocol, version)}&sig={_sign(key, lines)}"


def user_delegation_sas(
    account: str,
    key: DelegationKey,
    container: str,
    path: str,
    *,
    version: str,
    expiry: datetime,
    permissions: str = "r",
    protocol: str = "https",
) -> str:
    """Return a query string for one blob, signed with a user delegation key. No calls.

    The bearer has no more access than the identity that the key was issued to, and none after the
    key's expiry. Parameters and errors are those of `service_sas`.
    """
    expires = _check(version, permissions, expiry)
    lines = [permissions, "", expires, f"/blob/{account}/{container}/{path}"]
    lines += [key.oid, key.tid, key.start, key.expiry, key.service, key.version]
    lines += ["", "", ""]  # saoid, suoid, scid: no user behind the identity, no correlation
    if version >= "2025-07-05":
        lines += ["", ""]  # skdutid, sduoid: no delegated user
    lines += ["", protocol, version, _BLOB]  # sip: from any address
    lines += ["", ""]  # no snapshot; ses: no encryption scope
    if version >= "2026-04-06":
        lines += ["", ""]  # srh, srq: no required headers and parameters of requests
    lines += _RESPONSE_HEADERS
    query = _query(permissions, expires, protocol, version)
    return f"{query}&{key.parameters}&sig={_sign(key.value, lines)}"


def _check(version: str, permissions: str, expiry: datetime) -> str:
    """Check what is common to both kinds and return the expiry as text."""
    check_version(version)
    if not _PERMISSIONS.fullmatch(permissions):
        raise ValueError(f"{permissions!r} are not permissions on a blob, in storage's order")
    return format_time(expiry)


def _query(permissions: str, expires: str, protocol: str, version: str) -> str:
    # Escaped by hand: `quote` takes most of the time of a signature.
    expires, protocol = expires.replace(":", "%3A"), protocol.replace(",", "%2C")
    return f"se={expires}&sp={permissions}&spr={protocol}&sv={version}&sr={_BLOB}"


def _sign(key: str, lines: list[str]) -> str:
    """Return the HMAC of the string to sign, escaped."""
    text = "\n".join(lines).encode()
    signature = b64encode(hmac.digest(b64decode(key), text, "sha256")).decode()
    return signature.replace("+", "%2B").replace("=", "%3D")
