"""The storage account that settings and connection strings name.

learn.microsoft.com/azure/storage/common/storage-configure-connection-string
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PUBLIC_CLOUD = "core.windows.net"

# Public, the same everywhere: learn.microsoft.com/azure/storage/common/storage-connect-azurite
EMULATOR_NAME = "devstoreaccount1"
EMULATOR_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_EMULATOR_URL = f"http://127.0.0.1:10000/{EMULATOR_NAME}"


@dataclass(frozen=True)
class Account:
    """A storage account: the URL of its Blob service, its name and one of its access keys."""

    service_url: str
    name: str
    key: str = field(repr=False)


def parse_connection_string(text: str) -> Account:
    """Return the account of a connection string with an access key.

    ``BlobEndpoint`` wins over ``DefaultEndpointsProtocol`` and ``EndpointSuffix``. The names of
    the parts are not case-sensitive. ``UseDevelopmentStorage=true`` is the account of an emulator.

    :raises ValueError: a part is not ``name=value``, or the name, the key or the endpoint is
        missing.
    """
    parts = [part.strip().partition("=") for part in text.split(";") if part.strip()]
    if not parts or any(not equals for _, equals, _ in parts):
        raise ValueError("the connection string is not valid: it must be NAME=VALUE;NAME=VALUE;...")
    values = {name.strip().lower(): value for name, _, value in parts}
    if values.get("usedevelopmentstorage") == "true":
        return Account(_EMULATOR_URL, EMULATOR_NAME, EMULATOR_KEY)
    _check_parts(values)
    name = values["accountname"]
    protocol = values.get("defaultendpointsprotocol") or "https"
    suffix = values.get("endpointsuffix") or _PUBLIC_CLOUD
    url = values.get("blobendpoint") or f"{protocol}://{name}.blob.{suffix}"
    return Account(url.rstrip("/"), name, values["accountkey"])


def _check_parts(values: Mapping[str, str]) -> None:
    if not values.get("accountkey"):
        has_signature = "sharedaccesssignature" in values
        instead = ", and a SharedAccessSignature cannot replace it" if has_signature else ""
        raise ValueError(f"the connection string has no AccountKey{instead}")
    if not values.get("accountname"):
        raise ValueError("the connection string has no AccountName")
    if "blobsecondaryendpoint" in values and not values.get("blobendpoint"):
        raise ValueError("the connection string has a BlobSecondaryEndpoint but no BlobEndpoint")


def account_name_of(service_url: str) -> str:
    """Return the account's name, NAME.

    From `https://NAME.blob.core.windows.net` or `http://127.0.0.1:10000/NAME`. A custom domain
    does not have it.
    """
    parts = urlsplit(service_url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
