"""The object store on Azure Blob Storage. Only this package imports the Azure SDK.

`store` implements each operation with the SDK, over a `connection`. `calls` names the operations,
limits their time and translates their errors; `retries` repeats them within `limits`;
`lost_answers` recognises the work of an earlier attempt. `service` makes the SDK's client,
`transport` its connection to the network, `signing` makes signed URLs. `identity` signs in,
`access_denied` explains what is missing when storage denies access, and `access_check` finds that
out beforehand.
"""

from .identity import AzureIdentity
from .limits import Limits
from .service import OnCall
from .store import AzureBlobStore

__all__ = ["AzureBlobStore", "AzureIdentity", "Limits", "OnCall"]
