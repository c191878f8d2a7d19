"""The container in our own Azurite. Anywhere else, whoever owns the account creates it.

Without the Azure SDK, which belongs to the object store: it is one request.
Sources: REST docs, "Create Container" and "Authorize with Shared Key".
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
from email.utils import formatdate

from .azurite import ACCOUNT, KEY, Azurite, AzuriteError

_VERSION = "2021-12-02"
_NO_STANDARD_HEADERS = "\n" * 11


def create_container(azurite: Azurite, name: str) -> None:
    """One that is there already stays as it is. :raises AzuriteError: when it cannot be created."""
    path = f"/{ACCOUNT}/{name}"
    dated = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
    headers = "".join(f"{header}:{value}\n" for header, value in dated.items())
    signed = f"PUT\n{_NO_STANDARD_HEADERS}{headers}/{ACCOUNT}{path}\nrestype:container"
    key = base64.b64decode(KEY)
    signature = base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).decode()
    connection = http.client.HTTPConnection("127.0.0.1", azurite.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(
            "PUT",
            f"{path}?restype=container",
            headers={**dated, "Authorization": f"SharedKey {ACCOUNT}:{signature}"},
        )
        response = connection.getresponse()
        answer = response.read().decode(errors="replace")
    if response.status != http.client.CREATED and "ContainerAlreadyExists" not in answer:
        raise AzuriteError(f"container {name!r} cannot be created in Azurite: {answer}")
