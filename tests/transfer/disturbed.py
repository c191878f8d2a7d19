"""Registries that lie, fail or lose answers, and runs that do not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from registry_core.registry import Blob, Body
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import Reference
from registry_core.spec.manifest import Manifest
from registry_core.transfer.run import CopyRun
from tests.transfer.places import Watched

T = TypeVar("T")


def patient_run(**options: Any) -> tuple[CopyRun, list[float]]:
    """Return a run that notes its waits instead of waiting."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    return CopyRun(sleep=sleep, **options), waits


def changed(content: bytes) -> bytes:
    """Return content with another last byte."""
    return content[:-1] + bytes([content[-1] ^ 1])


Content = Callable[[bytes], bytes]


@dataclass
class AlteredBlob:
    """A blob whose content is not what its descriptor says."""

    blob: Blob
    alter: Content
    size: int | None = None

    @property
    def descriptor(self) -> Descriptor:
        actual = self.blob.descriptor
        return actual if self.size is None else replace(actual, size=self.size)

    async def url(self) -> str | None:
        return None

    async def read(self, offset: int, length: int) -> Body:
        body = await self.blob.read(offset, self.blob.descriptor.size - offset)
        content = self.alter(b"".join([piece async for piece in body]))
        return _pieces(content)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


class Lying(Watched):
    """A source that answers something else for blobs and manifests."""

    alter: Content = staticmethod(lambda content: content)
    alter_manifest: Content = staticmethod(lambda content: content)
    size: int | None = None

    async def open_blob(self, repository: str, digest: Digest) -> Blob:
        return AlteredBlob(await super().open_blob(repository, digest), self.alter, self.size)

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        found = await super().get_manifest(repository, reference)
        return Manifest(found.descriptor, self.alter_manifest(found.content))


@dataclass
class Failing(Watched):
    """Fails at chosen calls: before they are performed, or after (the answer is lost)."""

    failures: list[tuple[str, Exception]] = field(default_factory=list)
    answers_lost: bool = False
    spared: int = 0
    """How many of these calls succeed first."""

    async def perform(self, name: str, about: object, call: Coroutine[Any, Any, T]) -> T:
        due = next((each for each in self.failures if each[0] == name), None)
        self.spared -= due is not None
        if due is None or self.spared >= 0:
            return await super().perform(name, about, call)
        self.failures.remove(due)
        if self.answers_lost:
            await super().perform(name, about, call)
        else:
            call.close()
        raise due[1]
