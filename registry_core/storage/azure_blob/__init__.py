"""The object store on Azure Blob Storage. Only this package imports the Azure SDK.

`store` says each operation in the SDK's words, over a `connection`; `calls` names, bounds and
translates them, `service` makes the SDK's client, `signing` makes URLs that carry a permission.
"""

from .service import Limits, OnCall
from .store import AzureBlobStore

__all__ = ["AzureBlobStore", "Limits", "OnCall"]
