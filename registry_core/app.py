"""The composition root: settings in, application out. No parsing, no behaviour."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .aio import Lazy
from .auth.caller import Authenticator, Open
from .config import (
    AUTH,
    CREDENTIALS_CLIENTID,
    ROOT_DIRECTORY,
    AuthSettings,
    AzureStorage,
    BuiltinAuth,
    Document,
    EntraAuth,
    Mode,
    Settings,
    TokenAuth,
    read_settings,
)
from .jobs import Job, JobContext, jobs_for, run_jobs
from .object_store.azure import AzureBlobStore, AzureIdentity, TokenEndpoint
from .object_store.interface import ObjectStore
from .registry import Registry
from .server.access_log import log as access_log
from .server.application import Application, TokenEndpoints
from .server.audit import log as audit_log
from .server.context import ServerContext
from .server.cors import Cors
from .server.sealing import PAGE, Sealer
from .server.sessions import SessionSealer
from .server.urls import Urls
from .storage.layout import Layout
from .storage.root import PLAIN, find_root
from .storage.stored_registry import StoredRegistry
from .wrappers import ReadOnly, WithoutDeletion

if TYPE_CHECKING:
    from .auth.builtin import BuiltinMode
    from .auth.rules import Rules
    from .auth.sources.entra import Entra
    from .auth.sources.htpasswd import Htpasswd
    from .auth.sources.personal_keys import PersonalKeySource
    from .storage.personal_keys import PersonalKeys
    from .storage.pull_recorder import PullRecorder

_log = logging.getLogger(__name__)


def build_store(storage: AzureStorage) -> AzureBlobStore:
    """Return the object store. It connects on first use, and is closed on the same event loop."""
    version = storage.api_version
    if storage.connection_string:
        return AzureBlobStore.from_connection_string(
            storage.connection_string, storage.container, api_version=version
        )
    if storage.account_key:
        return AzureBlobStore.from_key(
            storage.service_url,
            storage.container,
            storage.account_name,
            storage.account_key,
            api_version=version,
        )
    endpoint = TokenEndpoint(storage.identity_endpoint, storage.identity_header)
    identity = AzureIdentity(
        storage.client_id,
        storage.tenant_id,
        storage.client_secret,
        setting=CREDENTIALS_CLIENTID,
        endpoint=endpoint if storage.identity_endpoint else None,
    )
    return AzureBlobStore.from_identity(
        storage.service_url,
        storage.container,
        identity,
        account=storage.account_name,
        api_version=version,
    )


async def check_access(settings: Settings, store: AzureBlobStore) -> None:
    """Check that storage grants what the registry needs.

    No calls with an access key, two with an identity.

    :raises Unavailable: it does not; the message names the role that is missing.
    """
    await store.check_access(
        f"{Layout(settings.root or PLAIN).base}_access",
        writes=not settings.read_only,
        signs=settings.redirect or not settings.read_only,
    )


async def settle_root(settings: Settings, store: ObjectStore) -> Settings:
    """Return the settings with a root: if they have none, that of the container.

    :raises RootAmbiguous: the container has two.
    """
    if settings.root is not None:
        return settings
    return replace(settings, root=await find_root(store, setting=ROOT_DIRECTORY))


def build_stored_registry(settings: Settings, store: ObjectStore) -> StoredRegistry:
    """Return the registry over a store, whatever it permits. See `build_registry`."""
    return StoredRegistry(
        store,
        root=settings.root or PLAIN,
        redirect=settings.redirect,
        direct_upload=settings.direct_upload,
        redirect_min_size=settings.redirect_min_size,
        require_blobs=settings.require_blobs,
        require_children=settings.require_children,
        foreign_urls=settings.foreign_urls,
        max_references=settings.max_references,
        immutable_tags=settings.immutable_tags,
        delete_retention=settings.delete_retention,
        manifest_cache_bytes=settings.manifest_cache_bytes,
        membership_seconds=settings.membership_seconds,
        writes=not settings.read_only,
    )


def build_registry(
    settings: Settings, store: ObjectStore, recorder: PullRecorder | None = None
) -> Registry:
    """Return the registry over a store. If that may have content, `settle_root` comes first.

    :param recorder: records what is pulled; None: nobody does.
    """
    registry: Registry = build_stored_registry(settings, store)
    if recorder is not None:
        from .storage.pull_recorder import RecordsPulls

        registry = RecordsPulls(registry, recorder)
    if settings.read_only:
        return ReadOnly(registry)
    return registry if settings.delete else WithoutDeletion(registry)


def build_recorder(settings: Settings, store: ObjectStore) -> PullRecorder | None:
    """Return the recorder of pulls; None if they are not recorded. `settle_root` comes first."""
    if not settings.record_pulls:
        return None
    from .storage.pull_recorder import PullRecorder

    return PullRecorder(store, Layout(settings.root or PLAIN))


def build_authenticator(auth: AuthSettings) -> Authenticator:
    """Return the authenticator of a mode. What only one mode needs is imported in that mode.

    :raises ValueError: the settings of the mode are missing.
    """
    if auth.token is not None:
        return _token_authenticator(auth.token)
    if auth.htpasswd is not None:
        from .auth.authenticators import BasicAuthenticator

        users = _users(auth.htpasswd.users)
        return BasicAuthenticator(users, auth.htpasswd.realm, _rules(auth))
    if auth.mode is not Mode.NONE:
        raise ValueError(f"the settings of mode {auth.mode} are missing")
    return Open()


def _rules(auth: AuthSettings) -> Rules:
    """Return the access rules.

    Without any, everybody known may do everything: those whom the operator has entered into the
    password file or given a key. The identities of Entra ID are not known to the operator.

    :raises ValueError: there are none, and Entra ID needs some.
    """
    from .auth.rules import EVERYONE_KNOWN

    if auth.rules is not None:
        return auth.rules
    if auth.builtin is not None and auth.builtin.entra is not None:
        raise ValueError("Entra ID needs access rules")
    return EVERYONE_KNOWN


def _users(file: Document) -> Htpasswd:
    from .auth.sources.htpasswd import Htpasswd

    return Htpasswd.from_file(file.path) if file.path else Htpasswd(file.text)


def _token_authenticator(token: TokenAuth) -> Authenticator:
    from .auth.authenticators import TokenAuthenticator
    from .auth.tokens.remote_keys import KeysAtUrl
    from .auth.tokens.trusted_keys import TrustedKeys
    from .auth.tokens.verification import TokenVerifier

    others = KeysAtUrl(token.keys_url) if token.keys_url else token.keys
    verifier = TokenVerifier(
        TrustedKeys(token.bundle, others), token.issuer, token.service, token.algorithms
    )
    return TokenAuthenticator(verifier, token.realm, token.service, token.path)


def build_application(
    settings: Settings, registry: Registry, store: ObjectStore | None = None
) -> Application:
    """Return a registry over HTTP.

    ``store`` holds the personal access keys; without it, there are none.
    """

    async def open_keys() -> PersonalKeys:
        assert store is not None
        return build_keys(settings, store)

    return _assemble(settings, Lazy.of(registry), open_keys if store else None)


def build_keys(settings: Settings, store: ObjectStore) -> PersonalKeys:
    """Return the personal access keys in a store; ``settings`` as for `build_registry`."""
    from .storage.personal_keys import PersonalKeys

    return PersonalKeys(store, Layout(settings.root or PLAIN))


def _assemble(
    settings: Settings,
    registry: Lazy[Registry],
    open_keys: Callable[[], Awaitable[PersonalKeys]] | None,
    **options: Any,
) -> Application:
    urls = Urls(settings.public_url, settings.relative_urls, settings.forwarded_headers)
    authenticator, endpoints = _access(settings, urls, open_keys)
    context = ServerContext(
        registry,
        SessionSealer(settings.http_secret),
        urls,
        authenticator,
        settings.repository_classes,
        settings.body_limit,
        pages=Sealer(settings.http_secret, PAGE),
    )
    return Application(context, endpoints, cors=Cors(settings.cors_origins), **options)


def _access(
    settings: Settings, urls: Urls, open_keys: Callable[[], Awaitable[PersonalKeys]] | None
) -> tuple[Authenticator, TokenEndpoints | None]:
    """Return the authenticator, and the token service if it is the registry's own."""
    if settings.auth.builtin is None:
        return build_authenticator(settings.auth), None
    from .server.auth_endpoints import AuthEndpoints

    mode = _builtin_mode(settings.auth, settings.auth.builtin, open_keys)
    return mode.authenticator, AuthEndpoints(mode.tokens, mode.exchange, urls)


def _builtin_mode(
    auth: AuthSettings,
    builtin: BuiltinAuth,
    open_keys: Callable[[], Awaitable[PersonalKeys]] | None,
) -> BuiltinMode:
    from .auth.builtin import BuiltinMode
    from .auth.tokens.issuing import Issuer

    users = _users(auth.htpasswd.users) if auth.htpasswd else None
    return BuiltinMode.assemble(
        Issuer(builtin.key, builtin.service, builtin.previous, builtin.seconds),
        _rules(auth),
        refresh_seconds=builtin.refresh_seconds,
        keys=_key_source(open_keys, users) if open_keys else None,
        entra=_entra(builtin.entra) if builtin.entra else None,
        users=users,
    )


def _key_source(
    open_keys: Callable[[], Awaitable[PersonalKeys]], users: Htpasswd | None
) -> PersonalKeySource:
    from .auth.sources.personal_keys import PersonalKey, PersonalKeySource

    async def find(name: str) -> PersonalKey | None:
        """Return a key from storage, which is opened by the first request that needs it."""
        return await (await open_keys()).find(name)

    return PersonalKeySource(find, users.has_user if users else None)


def _entra(entra: EntraAuth) -> Entra:
    from .auth.sources.entra import PUBLIC_AUTHORITY, Entra

    return Entra(entra.tenant_id, entra.client_ids, entra.authority or PUBLIC_AUTHORITY)


def asgi_from_environment(*, jobs: bool = False) -> Application:
    """Return the registry that environment variables configure, as an ASGI application.

    For servers that call a factory: ``uvicorn --factory registry_core:asgi_from_environment``. It
    logs to standard error, unless the program has configured logging.

    :param jobs: run the maintenance jobs, too, for the lifespan of the application. One process per
        registry is enough.
    :raises ConfigError: the settings are missing or wrong; the message lists all problems.
    """
    if not logging.getLogger().handlers:
        log_to_stderr()
    settings = read_settings()
    if settings.auth.mode is Mode.NONE:
        # The server knows which address it listens on, the registry does not.
        _log.warning("%s is none: everybody who reaches the registry may push and delete", AUTH)
    return RegistryApp(settings, jobs=jobs_for(settings) if jobs else ()).application


def log_to_stderr() -> None:
    """Log all warnings, and whatever the registry logs, to standard error."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("registry_core").setLevel(logging.INFO)


class RegistryApp:
    """The registry of a process: its application, and the storage behind it.

    Storage is opened by the first request, because only then does the event loop run.
    """

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[AzureStorage], ObjectStore] = build_store,
        *,
        jobs: Sequence[Job] = (),
        log_early: bool = False,
    ) -> None:
        """Assemble the application. Nothing is connected yet.

        :param connect: makes the object store.
        :param jobs: those that run for the lifespan of the application.
        :param log_early: log streamed answers before their bodies are sent.
        """
        self._jobs = jobs
        self._running_jobs: asyncio.Task[None] | None = None
        self._settings = self._settled = settings
        self._connect = connect
        self._store: ObjectStore | None = None
        self._recorder: PullRecorder | None = None
        self._registry = Lazy(self._open)
        self.application = _assemble(
            settings,
            self._registry,
            self._keys,
            log_early=log_early,
            startup=self._start_jobs,
            shutdown=self.close,
        )
        access_log.disabled = not settings.log_requests
        audit_log.disabled = not settings.log_audit

    async def _open(self) -> Registry:
        if self._store is None:
            self._store = self._connect(self._settings.storage)
        settings = await settle_root(self._settings, self._store)
        if isinstance(self._store, AzureBlobStore):
            await check_access(settings, self._store)
        self._settled = settings
        self._recorder = build_recorder(settings, self._store)
        return build_registry(settings, self._store, self._recorder)

    async def job_context(self) -> JobContext:
        """Return what jobs work on, once storage is open."""
        await self._registry.get()
        assert self._store is not None
        return JobContext(self._store, Layout(self._settled.root or PLAIN))

    async def _start_jobs(self) -> None:
        if self._jobs:
            self._running_jobs = asyncio.create_task(run_jobs(self._jobs, self.job_context))

    async def _keys(self) -> PersonalKeys:
        await self._registry.get()
        assert self._store is not None
        return build_keys(self._settled, self._store)

    async def close(self) -> None:
        """Cancel the jobs, write what is recorded of pulls, and close all connections.

        The next request opens new ones.
        """
        jobs, self._running_jobs = self._running_jobs, None
        if jobs is not None:
            jobs.cancel()
            with suppress(asyncio.CancelledError):
                await jobs
        await self._registry.close()
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            await recorder.close()
        store, self._store = self._store, None
        if store is not None:
            await store.close()
