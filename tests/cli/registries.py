"""Registries of ours on Azurite that commands copy between, and a shell to run commands in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest

from registry_core.cli.main import main
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import container_client, create_container, opened
from tests.support.content import image_manifest, push_image
from tests.support.host import RunningHost
from tests.support.hosts import LOCAL, registry_under

T = TypeVar("T")
LAYER = b"a layer"
DIGEST = Digest.of(image_manifest(LAYER))
_REQUEST = re.compile(r"registry_core\.requests: operation=(\w+) .*\breceived=(\d+)")
RULES = """
[[rule]]
who = ["user:alice"]
may = ["pull", "push"]
on = ["team/**"]

[[rule]]
who = ["user:bob"]
may = ["pull"]
on = ["team/**"]
"""


@dataclass(frozen=True)
class Request:
    """A request in a registry's log."""

    operation: str
    bytes_received: str

    @property
    def received(self) -> int:
        """The bytes of its body."""
        return int(self.bytes_received)


@dataclass(frozen=True)
class Running:
    """A registry, and direct access to what it has."""

    host: RunningHost
    azurite: Azurite
    container: str

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.host.port}"

    def on_storage(self, work: Callable[[StoredRegistry], Awaitable[T]]) -> T:
        async def on_storage() -> T:
            async with opened(self.azurite, self.container) as store:
                return await work(StoredRegistry(store))

        return asyncio.run(on_storage())

    def push(self, repository: str, *tags: str, layer: bytes = LAYER) -> str:
        """Push an image under tags; return its repository as a location."""

        async def push(registry: StoredRegistry) -> None:
            for tag in tags:
                await push_image(registry, repository, tag, [layer])

        self.on_storage(push)
        return f"{self.authority}/{repository}"

    def digest(self, repository: str, tag: str = "v1") -> Digest | None:
        """Return what a tag points to; None if it does not exist."""

        async def digest(registry: StoredRegistry) -> Digest | None:
            try:
                return (await registry.resolve_manifest(repository, tag)).digest
            except ManifestUnknown:
                return None

        return self.on_storage(digest)

    @contextmanager
    def requests(self) -> Iterator[list[Request]]:
        """Return the requests that arrive during the block, after it."""
        requests: list[Request] = []
        before = len(self.host.log())
        yield requests
        requests += [Request(*found) for found in _REQUEST.findall(self.host.log()[before:])]

    def uploads(self, repository: str) -> list[str]:
        """Return what there is of a repository's uploads, staged blocks included."""
        with container_client(self.azurite, self.container) as client:
            blobs = client.list_blobs(
                name_starts_with=f"{Layout().base}_uploads/{repository}/",
                include=["uncommittedblobs"],
            )
            return [blob.name for blob in blobs]


def start(azurite: Azurite, **settings: str) -> Iterator[Running]:
    container = create_container(azurite)
    storage = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container,
        "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
    }
    with registry_under(LOCAL, storage | settings) as host:
        yield Running(host, azurite, container)


@dataclass(frozen=True)
class Shell:
    """Runs commands in this process."""

    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> str:
        """Run a command that succeeds without a word on standard error; return its output."""
        code, out, err = self.outcome(*arguments)
        assert (code, err) == (0, "")
        return out

    def outcome(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main(arguments)
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err

    def fails(self, *arguments: str, code: int) -> str:
        """Run a command that fails; return the one line that it prints."""
        found, out, err = self.outcome(*arguments)
        assert (found, out, err.count("\n")) == (code, "", 1), err
        return err.removeprefix("registry: ").rstrip("\n")
