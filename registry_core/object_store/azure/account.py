"""The storage account that settings and connection strings name.

learn.microsoft.com/azure/storage/common/storage-configure-connection-string
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PUBLIC_CLOUD = "core.windows.net"



@dataclass(frozen=True)
class Account:
    """A storage account: the URL of its Blob service, its name and one of its access keys."""

    service_url: str
    name: str
    key: str = field(repr=False)


def parse_connection_string(text: str) -> Account:
    """Return the account of a connection string with an access key.

    ``BlobEndpoint`` wins over ``DefaultEndpointsProtocol`` and ``EndpointSuffix``. The names of
    the parts are not case-sensitive.

    :raises ValueError: a part is not ``name=value``, or the name or the key is missing.
    """
    parts = [part.strip().partition("=") for part in text.split(";") if part.strip()]
    if not parts or any(not equals for _, equals, _ in parts):
        raise ValueError("the connection string is not valid: it must be NAME=VALUE;NAME=VALUE;...")
    values = {name.strip().lower(): value for name, _, value in parts}
    name, key = values.get("accountname"), values.get("accountkey")
    if not key:
        raise ValueError("the connection string has no AccountKey")
    if not name:
        raise ValueError("the connection string has no AccountName")
    protocol = values.get("defaultendpointsprotocol") or "https"
    suffix = values.get("endpointsuffix") or _PUBLIC_CLOUD
    url = values.get("blobendpoint") or f"{protocol}://{name}.blob.{suffix}"
    return Account(url.rstrip("/"), name, key)


def account_name_of(service_url: str) -> str:
    """Return the account's name, NAME.

    From `https://NAME.blob.core.windows.net` or `http://127.0.0.1:10000/NAME`. A custom domain
    does not have it.
    """
    parts = urlsplit(service_url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
