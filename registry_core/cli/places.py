"""Places of copies, opened from locations: one client for each registry, closed in the end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Self, TextIO

from ..client import HttpRegistry
from ..client.storage_fetch import StorageFetcher, StorageSessions
from ..transfer.errors import PlaceInaccessible
from ..transfer.local_places import LocalSource, open_source, open_target
from ..transfer.locations import (
    FileLocation,
    Location,
    RegistryLocation,
    RegistryRoot,
    Selected,
    Transport,
    selected_in_registry,
)
from ..transfer.oci_layout_target import OciLayoutTarget
from ..transfer.place import Place, Source, Target
from ..transfer.run import CopyRun
from ..transfer.sync import Catalog
from .client_options import client_options, storage_options
from .registry_access import AccessOptions
from .storage_commands import MISCONFIGURED, CommandFailed

STANDARD_STREAM = "-"
"""The path of an archive that is standard input or output."""

_DEFAULT = AccessOptions()


class Places:
    """Opens places, and keeps what they need open for as long as its context.

    Archives are written when the context ends.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        stack: AsyncExitStack,
        *,
        recheck: bool,
        dry_run: bool,
    ) -> None:
        self._environment = environment
        self._stack = stack
        self._recheck = recheck
        self._dry_run = dry_run
        self._clients: dict[tuple[str, str | None, AccessOptions], HttpRegistry] = {}
        self._sources: dict[FileLocation, LocalSource] = {}
        self._targets: dict[FileLocation, OciLayoutTarget] = {}
        self._opening = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, environment: Mapping[str, str], *, recheck: bool, dry_run: bool
    ) -> AsyncGenerator[Self]:
        """Open nothing yet.

        :param environment: names proxies, and where docker keeps logins and certificates.
        :param recheck: whether a target is not trusted to have what its manifests reference.
        :param dry_run: whether nothing will be written, so that no target is created.
        """
        async with AsyncExitStack() as stack:
            yield cls(environment, stack, recheck=recheck, dry_run=dry_run)

    async def source(self, location: Location, access: AccessOptions) -> Place[Source]:
        """Open what is copied from.

        :raises CommandFailed: it cannot be accessed as the options say.
        :raises RegistryError: a layout or an archive is missing, or not what it should be.
        """
        if isinstance(location, RegistryLocation):
            return await self._in_registry(location, access)
        return Place(await self._local_source(location), "", str(location.whole()))

    async def target(self, location: Location, access: AccessOptions) -> Place[Target]:
        """Open what is copied to.

        :raises CommandFailed, RegistryError: as for `source`.
        """
        if isinstance(location, RegistryLocation):
            return await self._in_registry(location, access)
        whole = location.whole()
        async with self._opening:
            if whole not in self._targets:
                opening = self._open_target(whole)
                self._targets[whole] = await self._stack.enter_async_context(opening)
            return Place(self._targets[whole], "", str(whole))

    def _open_target(self, whole: FileLocation) -> AbstractAsyncContextManager[OciLayoutTarget]:
        path = _path(whole, sys.stdout)
        is_new = whole.transport is not Transport.OCI or not (
            isinstance(path, Path) and path.exists()
        )
        if self._dry_run and is_new:
            # Nothing is there, and nothing is to be created: something else that is empty will do.
            folder = self._stack.enter_context(TemporaryDirectory())
            return open_target(Transport.OCI, Path(folder))
        return open_target(whole.transport, path)

    async def select(self, location: Location) -> Selected:
        """Return what the location of a source names.

        :raises ManifestUnknown: it does not name one manifest of a layout or an archive.
        """
        if isinstance(location, RegistryLocation):
            return selected_in_registry(location)
        text = location.reference or str(location.digest or "")
        found = await (await self._local_source(location)).select(text)
        return Selected(found.digest, found.tag)

    async def client(
        self, where: RegistryLocation | RegistryRoot, access: AccessOptions
    ) -> HttpRegistry:
        """Return the client of a registry; there is one for each way to access it.

        :raises CommandFailed: it cannot be accessed as the options say.
        """
        key = (where.host, where.scheme, access)
        async with self._opening:
            if key not in self._clients:
                options = await client_options(where, access, self._environment)
                try:
                    client = await self._stack.enter_async_context(HttpRegistry.open(options))
                except ValueError as error:  # a certificate or a key cannot be read
                    raise CommandFailed(str(error), MISCONFIGURED) from None
                self._clients[key] = client
            return self._clients[key]

    def importing_run(self, parallel: int, target: AccessOptions, *, must_fetch: bool) -> CopyRun:
        """Begin a run in which the target's storage fetches what it can by itself.

        :param target: how the target is accessed.
        :param must_fetch: whether what storage cannot fetch is not to be copied.
        :raises CommandFailed: the environment names a proxy that cannot be used.
        """
        sessions = StorageSessions(storage_options(target, self._environment))
        self._stack.push_async_exit(sessions)
        return CopyRun(parallel, fetcher=StorageFetcher(sessions.to), must_fetch=must_fetch)

    async def _in_registry(
        self, location: RegistryLocation, access: AccessOptions
    ) -> Place[HttpRegistry]:
        client = await self.client(location, access)
        return Place(client, location.repository, location.host, keeps_whole=not self._recheck)

    async def _local_source(self, location: FileLocation) -> LocalSource:
        whole = location.whole()
        async with self._opening:
            if whole not in self._sources:
                opening = open_source(whole.transport, _path(whole, sys.stdin))
                self._sources[whole] = await self._stack.enter_async_context(opening)
            return self._sources[whole]


@dataclass(frozen=True)
class OpenerByHost:
    """Opens places as a document says for their hosts: the `Opener` of `transfer.sync`.

    What cannot be accessed so is `PlaceInaccessible`: the other entries go on.
    """

    places: Places
    accesses: Mapping[str, AccessOptions]

    async def source(self, location: Location) -> Place[Source]:
        with _as_registry_error():
            return await self.places.source(location, self._access(location))

    async def target(self, location: Location) -> Place[Target]:
        with _as_registry_error():
            return await self.places.target(location, self._access(location))

    async def select(self, location: Location) -> Selected:
        return await self.places.select(location)

    async def catalog(self, root: RegistryRoot) -> Catalog:
        with _as_registry_error():
            return await self.places.client(root, self.accesses.get(root.host, _DEFAULT))

    def _access(self, location: Location) -> AccessOptions:
        if isinstance(location, FileLocation):
            return _DEFAULT
        return self.accesses.get(location.host, _DEFAULT)


@contextmanager
def _as_registry_error() -> Iterator[None]:
    """:raises PlaceInaccessible: in place of `CommandFailed`."""
    try:
        yield
    except CommandFailed as error:
        raise PlaceInaccessible(str(error)) from error


def _path(location: FileLocation, stream: TextIO) -> Path | BinaryIO:
    """Return where a layout or an archive is: its path, or for ``-`` a standard stream."""
    return stream.buffer if location.path == STANDARD_STREAM else Path(location.path)
