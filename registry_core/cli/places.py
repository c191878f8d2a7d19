"""Places of copies, opened from locations: one client for each registry, closed in the end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

from ..client import ClientOptions, HttpRegistry, docker_credentials
from ..client.credentials import Basic, Credentials, Fixed
from ..client.origins import Origin, is_loopback_host
from ..client.proxies import Proxies
from ..client.storage_fetch import StorageFetcher
from ..client.storage_sessions import BlockSender, StorageSessions
from ..client.tls import Tls
from ..transfer.locations import (
    FileLocation,
    Location,
    RegistryLocation,
    RegistryRoot,
    Selected,
    selected_in_registry,
)
from ..transfer.place import Place, Source, Target
from ..transfer.run import CopyRun
from ..transfer.sync import Catalog
from .registry_access import Access
from .storage_commands import MISCONFIGURED, CommandFailed

_PROBE_SECONDS = 5.0
_STORAGE = "https://storage.invalid"  # never requested: each session has a URL of its own
_DEFAULT = Access()


class Places:
    """Opens places, and keeps what they need open for as long as its context."""

    def __init__(
        self, environment: Mapping[str, str], stack: AsyncExitStack, *, recheck: bool
    ) -> None:
        self._environment = environment
        self._stack = stack
        self._recheck = recheck
        self._clients: dict[tuple[str, str | None, Access], HttpRegistry] = {}
        self._opening = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, environment: Mapping[str, str], *, recheck: bool = False
    ) -> AsyncGenerator[Self]:
        """Open nothing yet.

        :param environment: where proxies and the configuration of docker are named.
        :param recheck: whether a target is not trusted to have what its manifests reference.
        """
        async with AsyncExitStack() as stack:
            yield cls(environment, stack, recheck=recheck)

    async def source(self, location: Location, access: Access) -> Place[Source]:
        """Open what is copied from.

        :raises CommandFailed: it cannot be accessed as the options say.
        """
        if isinstance(location, FileLocation):
            return await self._stack.enter_async_context(open_file_source(location))
        return await self._registry_place(location, access)

    async def target(self, location: Location, access: Access) -> Place[Target]:
        """Open what is copied to.

        :raises CommandFailed: it cannot be accessed as the options say.
        """
        if isinstance(location, FileLocation):
            return await self._stack.enter_async_context(open_file_target(location))
        return await self._registry_place(location, access)

    async def select(self, source: Place[Source], location: Location) -> Selected:
        """Return what a location names at its place.

        :raises ManifestUnknown: it does not name one manifest of a layout.
        """
        if isinstance(location, RegistryLocation):
            return selected_in_registry(location)
        return await select_in_file(source, location)

    def copy_run(
        self,
        parallel: int,
        targets: Iterable[Access],
        *,
        imports: bool = False,
        must_fetch: bool = False,
    ) -> CopyRun:
        """Begin a run, whose large blobs go straight to the storage of targets that have that.

        :param targets: how the targets are accessed: their storage may have the same authorities.
        :param imports: whether storage fetches what it can by itself.
        :param must_fetch: whether what it cannot fetch is not to be copied.
        """
        authorities = [_tls(target).authorities for target in targets]
        tls = Tls(tuple(dict.fromkeys(chain(*authorities))))
        options = ClientOptions(_STORAGE, tls=tls, proxies=self._proxies())
        sessions = StorageSessions(options)
        self._stack.push_async_exit(sessions)
        return CopyRun(
            parallel,
            sender=BlockSender(sessions),
            fetcher=StorageFetcher(sessions) if imports else None,
            must_fetch=must_fetch,
        )

    async def client(self, where: RegistryLocation | RegistryRoot, access: Access) -> HttpRegistry:
        """Return the client of a registry; there is one for each way to access it.

        :raises CommandFailed: it cannot be accessed as the options say.
        """
        key = (where.host, where.scheme, access)
        async with self._opening:
            if key not in self._clients:
                options = await self._options(where.host, where.scheme, access)
                try:
                    client = await self._stack.enter_async_context(HttpRegistry.open(options))
                except ValueError as error:  # a certificate or a key cannot be read
                    raise CommandFailed(str(error), MISCONFIGURED) from None
                self._clients[key] = client
            return self._clients[key]

    async def _registry_place(
        self, location: RegistryLocation, access: Access
    ) -> Place[HttpRegistry]:
        client = await self.client(location, access)
        return Place(client, location.repository, location.host, keeps_whole=not self._recheck)

    async def _options(self, host: str, scheme: str | None, access: Access) -> ClientOptions:
        api_host = RegistryLocation(host, "").api_host
        scheme = scheme or await _find_scheme(api_host, access)
        try:
            options = ClientOptions(
                f"{scheme}://{api_host}",
                credentials=self._credentials(access),
                tls=_tls(access),
                insecure=not access.tls_verify,
                proxies=self._proxies(),
            )
        except ValueError as error:
            raise CommandFailed(str(error), MISCONFIGURED) from None
        return replace(options, parallel=access.parallel) if access.parallel else options

    def _proxies(self) -> Proxies:
        try:
            return Proxies.from_environment(self._environment)
        except ValueError as error:
            raise CommandFailed(str(error), MISCONFIGURED) from None

    def _credentials(self, access: Access) -> Credentials | None:
        if access.anonymous:
            return None
        if access.login is not None:
            return Fixed(Basic(access.login.username, access.login.password))
        return docker_credentials(self._environment)


@dataclass(frozen=True)
class OpenerByHost:
    """Opens places as a document says for their hosts: the `Opener` of `transfer.sync`."""

    places: Places
    accesses: Mapping[str, Access]

    async def source(self, location: Location) -> Place[Source]:
        return await self.places.source(location, self._access(location))

    async def target(self, location: Location) -> Place[Target]:
        return await self.places.target(location, self._access(location))

    async def select(self, source: Place[Source], location: Location) -> Selected:
        return await self.places.select(source, location)

    async def catalog(self, root: RegistryRoot) -> Catalog:
        return await self.places.client(root, self.accesses.get(root.host, _DEFAULT))

    def _access(self, location: Location) -> Access:
        if isinstance(location, FileLocation):
            return _DEFAULT
        return self.accesses.get(location.host, _DEFAULT)


def _tls(access: Access) -> Tls:
    authorities = (access.ca,) if access.ca else ()
    if access.cert_dir is None:
        return Tls(authorities, verify=access.tls_verify)
    if not access.cert_dir.is_dir():
        raise CommandFailed(f"{access.cert_dir} is not a folder", MISCONFIGURED)
    found = {
        suffix: sorted(access.cert_dir.glob(f"*{suffix}")) for suffix in (".crt", ".cert", ".key")
    }
    if not (found[".crt"] or found[".cert"]):
        raise CommandFailed(
            f"the folder {access.cert_dir} has no certificates: *.crt of authorities, or *.cert "
            "and *.key of the client",
            MISCONFIGURED,
        )
    certificate = found[".cert"][0] if found[".cert"] else None
    key = certificate.with_suffix(".key") if certificate else None
    return Tls((*authorities, *found[".crt"]), certificate, key, access.tls_verify)


async def _find_scheme(api_host: str, access: Access) -> str:
    """Return ``https``; or ``http`` where that is allowed and the registry has no TLS.

    It is allowed on loopback, and for registries whose certificates are not to be verified.
    """
    origin = Origin.of_registry(f"https://{api_host}")
    if access.tls_verify and not is_loopback_host(origin.host):
        return "https"
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection(origin.host, origin.port, ssl=context)
    except (OSError, TimeoutError):  # of which ssl.SSLError is one
        return "http"
    writer.close()
    with suppress(OSError, TimeoutError):
        await writer.wait_closed()
    return "https"
