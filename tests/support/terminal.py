"""Commands on a container in Azurite, run in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from registry_core.cli.main import main
from registry_core.object_store.azure import AzureBlobStore
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import opened

T = TypeVar("T")


@dataclass
class Terminal:
    """Runs commands on a container."""

    azurite: Azurite
    container: str
    environment: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @classmethod
    def on(
        cls,
        azurite: Azurite,
        container: str,
        environment: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> Terminal:
        """Return a terminal whose environment has the settings of storage alone."""
        for name in list(os.environ):
            if name.startswith("REGISTRY_"):
                environment.delenv(name)
        environment.setenv("REGISTRY_STORAGE_AZURE_CONNECTIONSTRING", azurite.connection_string)
        environment.setenv("REGISTRY_STORAGE_AZURE_CONTAINER", container)
        return cls(azurite, container, environment, capsys)

    def on_storage(self, work: Callable[[AzureBlobStore], Awaitable[T]]) -> T:
        async def run() -> T:
            async with opened(self.azurite, self.container) as store:
                return await work(store)

        return asyncio.run(run())

    def current(self, tag: str = "v1") -> Digest:
        async def find(store: AzureBlobStore) -> Digest:
            return (await StoredRegistry(store).resolve_manifest("a/b", tag)).digest

        return self.on_storage(find)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; return its exit code, output and errors."""
        self.capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as wrong_options:
            code = int(str(wrong_options.code))
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err

    def fails(self, *arguments: str, code: int = 1) -> str:
        """Run a command that fails; return the one line that it prints."""
        found, out, err = self.run(*arguments)
        assert (found, out, err.count("\n")) == (code, "", 1), err
        return err.removeprefix("registry: ").rstrip("\n")
