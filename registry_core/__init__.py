"""An OCI registry whose only state is one Azure Blob Storage container.

The public API, described in docs/library.md; everything that is not listed here may change. Names
are imported on first use, so that each program needs only the packages of what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import asgi_from_environment as asgi_from_environment
    from .auth.authenticators import BasicAuthenticator as BasicAuthenticator
    from .auth.caller import Authenticator as Authenticator
    from .auth.caller import Caller as Caller
    from .auth.rules import Rules as Rules
    from .auth.sources.htpasswd import Htpasswd as Htpasswd
    from .client import ClientOptions as ClientOptions
    from .client import HttpRegistry as HttpRegistry
    from .client import docker_credentials as docker_credentials
    from .globs import TagGlobs as TagGlobs
    from .object_store.azure import AzureBlobStore as AzureBlobStore
    from .object_store.azure import AzureIdentity as AzureIdentity
    from .object_store.interface import ObjectStore as ObjectStore
    from .object_store.memory import MemoryStore as MemoryStore
    from .registry import Blob as Blob
    from .registry import Chunk as Chunk
    from .registry import DeletedManifest as DeletedManifest
    from .registry import Deleter as Deleter
    from .registry import Lister as Lister
    from .registry import Listing as Listing
    from .registry import ManifestInfo as ManifestInfo
    from .registry import PushedManifest as PushedManifest
    from .registry import Reader as Reader
    from .registry import Registry as Registry
    from .registry import TagInfo as TagInfo
    from .registry import Upload as Upload
    from .registry import Writer as Writer
    from .server.asgi import asgi as asgi
    from .spec import errors as errors
    from .spec.descriptor import Descriptor as Descriptor
    from .spec.digest import Digest as Digest
    from .spec.endpoints import PageQuery as PageQuery
    from .spec.manifest import Manifest as Manifest
    from .spec.manifest import parse_manifest as parse_manifest
    from .spec.preconditions import Precondition as Precondition
    from .storage.stored_registry import StoredRegistry as StoredRegistry
    from .wrappers import Delegating as Delegating
    from .wrappers import ReadOnly as ReadOnly
    from .wrappers import WithoutDeletion as WithoutDeletion

_MODULE_OF = {
    "Authenticator": ".auth.caller",
    "AzureBlobStore": ".object_store.azure",
    "AzureIdentity": ".object_store.azure",
    "BasicAuthenticator": ".auth.authenticators",
    "Blob": ".registry",
    "Caller": ".auth.caller",
    "Chunk": ".registry",
    "ClientOptions": ".client",
    "Delegating": ".wrappers",
    "DeletedManifest": ".registry",
    "Deleter": ".registry",
    "Descriptor": ".spec.descriptor",
    "Digest": ".spec.digest",
    "Htpasswd": ".auth.sources.htpasswd",
    "HttpRegistry": ".client",
    "Lister": ".registry",
    "Listing": ".registry",
    "Manifest": ".spec.manifest",
    "ManifestInfo": ".registry",
    "MemoryStore": ".object_store.memory",
    "ObjectStore": ".object_store.interface",
    "PageQuery": ".spec.endpoints",
    "Precondition": ".spec.preconditions",
    "PushedManifest": ".registry",
    "ReadOnly": ".wrappers",
    "Reader": ".registry",
    "Registry": ".registry",
    "Rules": ".auth.rules",
    "StoredRegistry": ".storage.stored_registry",
    "TagGlobs": ".globs",
    "TagInfo": ".registry",
    "Upload": ".registry",
    "WithoutDeletion": ".wrappers",
    "Writer": ".registry",
    "asgi": ".server.asgi",
    "asgi_from_environment": ".app",
    "docker_credentials": ".client",
    "errors": ".spec.errors",
    "parse_manifest": ".spec.manifest",
}

__all__ = list(_MODULE_OF)

if not TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(_MODULE_OF[name], __name__)
        value = module if name == "errors" else getattr(module, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
