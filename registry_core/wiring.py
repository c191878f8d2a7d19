"""The composition root: settings in, application out. No parsing, no behaviour."""

from __future__ import annotations

from .config import AzureStorage, Settings
from .registry import Registry
from .server.application import Application
from .server.call import Service
from .server.upload_token import UploadTokens
from .server.urls import Urls
from .storage.azure_blob import AzureBlobStore
from .storage.caches import ContentCache, ExpiringCache
from .storage.layout import Layout
from .storage.object_store import ObjectStore
from .storage.shelf import Shelf
from .storage.stored_registry import StoredRegistry
from .wrappers.read_only import ReadOnly
from .wrappers.undeletable import Undeletable


def build_store(storage: AzureStorage) -> AzureBlobStore:
    """The object store. Call it where an event loop runs; close it there."""
    if storage.connection_string:
        return AzureBlobStore.from_connection_string(storage.connection_string, storage.container)
    if storage.account_key:
        return AzureBlobStore.from_key(
            storage.service_url, storage.container, storage.account_name, storage.account_key
        )
    return AzureBlobStore.from_default_credential(storage.service_url, storage.container)


def build_registry(settings: Settings, store: ObjectStore) -> Registry:
    """The registry over a store."""
    shelf = Shelf(
        store,
        Layout(settings.root),
        ContentCache(settings.manifest_cache_bytes),
        blobs=ExpiringCache(settings.membership_seconds),
        manifests=ExpiringCache(settings.membership_seconds),
        marked=ExpiringCache(settings.membership_seconds),
    )
    registry: Registry = StoredRegistry(
        shelf,
        redirect=settings.redirect,
        require_blobs=settings.require_blobs,
        require_children=settings.require_children,
    )
    if settings.read_only:
        return ReadOnly(registry)
    return registry if settings.delete else Undeletable(registry)


def build_application(settings: Settings, registry: Registry) -> Application:
    """The registry over HTTP."""
    urls = Urls(settings.public_url, settings.relative_urls)
    return Application(Service(registry, UploadTokens(settings.http_secret), urls))


class Host:
    """The application, built when the first request arrives: only then does the event loop run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: AzureBlobStore | None = None
        self._application: Application | None = None

    @property
    def application(self) -> Application:
        if self._application is None:
            self._store = build_store(self._settings.storage)
            registry = build_registry(self._settings, self._store)
            self._application = build_application(self._settings, registry)
        return self._application

    async def close(self) -> None:
        """Give back connections. The next request opens new ones."""
        store, self._store, self._application = self._store, None, None
        if store is not None:
            await store.close()
