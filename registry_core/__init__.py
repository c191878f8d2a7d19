"""An OCI registry whose only state is one Azure Blob Storage container.

The public API. Names are imported on first use, so that ``import registry_core`` costs nothing and
each program needs only the packages of what it uses. Everything that is not listed here may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import asgi_from_environment as asgi_from_environment
    from .auth.caller import Authenticator as Authenticator
    from .auth.caller import Caller as Caller
    from .object_store.azure import AzureBlobStore as AzureBlobStore
    from .object_store.azure import AzureIdentity as AzureIdentity
    from .object_store.memory import MemoryStore as MemoryStore
    from .registry import Registry as Registry
    from .server.asgi import asgi as asgi
    from .spec import errors as errors
    from .storage.stored_registry import StoredRegistry as StoredRegistry
    from .wrappers import Delegating as Delegating
    from .wrappers import ReadOnly as ReadOnly
    from .wrappers import WithoutDeletion as WithoutDeletion

_MODULE_OF = {
    "Authenticator": ".auth.caller",
    "AzureBlobStore": ".object_store.azure",
    "Caller": ".auth.caller",
    "Delegating": ".wrappers",
    "AzureIdentity": ".object_store.azure",
    "MemoryStore": ".object_store.memory",
    "ReadOnly": ".wrappers",
    "Registry": ".registry",
    "StoredRegistry": ".storage.stored_registry",
    "WithoutDeletion": ".wrappers",
    "asgi": ".server.asgi",
    "asgi_from_environment": ".app",
    "errors": ".spec.errors",
}

__all__ = list(_MODULE_OF)

if not TYPE_CHECKING:  # type checkers would take every name for one of Any

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(_MODULE_OF[name], __name__)
        value = module if name == "errors" else getattr(module, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
