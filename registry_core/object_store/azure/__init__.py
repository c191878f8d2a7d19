"""The object store on Azure Blob Storage. Only this package imports the Azure SDK.

`store` says each operation in the SDK's words, over a `connection`; `calls` names, bounds and
translates them, `retries` repeats them within `limits`, `own_doing` knows what an earlier try did.
`service` makes the SDK's client, `transport` its way to the network, `signing` makes URLs that
carry a permission. `identity` signs in, `refusals` says what
is missing where storage says no, and `access` finds it out beforehand.
"""

from .identity import Identity
from .limits import Limits
from .service import OnCall
from .store import AzureBlobStore

__all__ = ["AzureBlobStore", "Identity", "Limits", "OnCall"]
