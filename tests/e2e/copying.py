"""A process that copies a tag and says what it does: `python -m tests.e2e.copying FROM TO TAG`.

It prints the digest of each blob that has arrived, one a line. ``FROM`` and ``TO`` are repositories
of registries on loopback, as ``host:port/name``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from registry_core.client import ClientOptions, HttpRegistry
from registry_core.transfer.copy import copy_manifest
from registry_core.transfer.options import CopyOptions
from registry_core.transfer.place import Place
from registry_core.transfer.progress import CopyProgress

T = TypeVar("T")
HttpPlace = Place[HttpRegistry]


@asynccontextmanager
async def opened(repository: str) -> AsyncIterator[HttpPlace]:
    """Open a repository of a registry on loopback."""
    authority, _, name = repository.partition("/")
    async with HttpRegistry.open(ClientOptions(f"http://{authority}")) as registry:
        yield Place(registry, name, authority)


def between(
    source: str, target: str, function: Callable[[HttpPlace, HttpPlace], Awaitable[T]]
) -> T:
    """Run a coroutine function with two repositories that are opened for it."""

    async def run() -> T:
        async with opened(source) as one, opened(target) as other:
            return await function(one, other)

    return asyncio.run(run())


def main() -> None:
    source, target, tag = sys.argv[1:]

    def show(progress: CopyProgress) -> None:
        if progress.is_finished:
            sys.stdout.write(f"{progress.digest}\n")
            sys.stdout.flush()

    async def copy(one: HttpPlace, other: HttpPlace) -> None:
        await copy_manifest(one, tag, other, [tag], CopyOptions(parallel=1), show)

    between(source, target, copy)


if __name__ == "__main__":
    main()
