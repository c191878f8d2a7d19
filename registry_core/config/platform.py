"""What the platform says: whether this is Azure, and what its host takes."""

from __future__ import annotations

from .names import BODY_LIMIT, WORKER_RUNTIME
from .reader import Reader

# What Azure sets: App Service the first three, Flex Consumption not the first, Container Apps the
# last. Nothing on another machine does, nor do Functions Core Tools.
_OF_AZURE = ("WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_SKU", "CONTAINER_APP_NAME")

# In bytes, of the Functions host: learn.microsoft.com/azure/azure-functions/functions-app-settings
_USUAL_BODY_LIMIT = 100 * 2**20


def is_azure(reader: Reader) -> bool:
    """Whether the process runs in Azure."""
    return any(reader.text(name) for name in _OF_AZURE)


def body_limit(reader: Reader) -> int | None:
    """How many bytes of a request's body the host takes; None outside of Functions."""
    if reader.text(BODY_LIMIT):
        return reader.number(BODY_LIMIT, _USUAL_BODY_LIMIT)
    return _USUAL_BODY_LIMIT if is_azure(reader) or reader.text(WORKER_RUNTIME) else None
