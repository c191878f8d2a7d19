"""The object store on Azure Blob Storage: a client of its REST API on aiohttp.

`store` has the operations, one request each, over the `client`, which authorizes requests
(`shared_key`, `identity`), repeats them (`retries`) within `limits` and translates their failures
(`error_answers`, `error_codes`, `errors`). `reading`, `listing`, `blocks` and `properties` read
answers and check that they are what was requested. `signing` makes signed URLs, with `sas` and a
`delegation_key`. `managed_identity` requests tokens where azure-identity is not needed. `copying`
has copies of many calls, `batch` deletions of many blobs in one, with `multipart` bodies.
`lost_answers` recognises the work of an earlier attempt, and `access_check` finds out beforehand
what storage denies.
"""

from .client import DEFAULT_API_VERSION, OnCall
from .identity import AzureIdentity
from .limits import Limits
from .managed_identity import TokenEndpoint
from .store import AzureBlobStore

__all__ = [
    "DEFAULT_API_VERSION",
    "AzureBlobStore",
    "AzureIdentity",
    "Limits",
    "OnCall",
    "TokenEndpoint",
]
