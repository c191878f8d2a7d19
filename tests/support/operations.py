"""What clients do with a registry, each with what must be true before and after it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.interface import ObjectStore
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, descriptor, image_manifest, random_bytes
from tests.support.wire import OCTETS

SECRET = "a secret for tests, long enough"
_seeds = itertools.count(1)


class Away(Exception):
    """The registry has asked to come again later."""


@asynccontextmanager
async def registry_over(store: ObjectStore) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a registry in this process that remembers nothing yet, without redirects."""
    settings = Settings(AzureStorage("unused"), SECRET, redirect=False)
    app = build_application(settings, build_registry(settings, store))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        yield client


class Client:
    """A client of one repository that knows what it has to push."""

    def __init__(self, http: httpx.AsyncClient, repository: str, layer: bytes) -> None:
        self.http = http
        self.base = f"/v2/{repository}"
        self.layer = layer
        self.manifest = image_manifest(layer)
        self.gone_before: tuple[int, ...] = ()
        """404, when what is deleted may have been deleted by an earlier try."""

    async def ask(
        self, method: str, path: str, *expected: int, content: bytes = b"", **headers: str
    ) -> httpx.Response:
        """:raises Away: when the answer is 503, which must say when to come again."""
        url = path if path.startswith(("/v2/", "http")) else f"{self.base}/{path}"
        answer = await self.http.request(method, url, content=content, headers=OCTETS | headers)
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            assert method == "HEAD" or answer.json()["errors"][0]["code"] == "UNAVAILABLE"
            raise Away
        assert answer.status_code in expected, (method, url, answer.status_code, answer.text)
        return answer

    async def put_blob(self, content: bytes) -> None:
        location = (await self.ask("POST", "blobs/uploads/", 202)).headers["Location"]
        await self._close(location, content, content)

    async def patch_blob(self, content: bytes, *, pieces: int = 1) -> None:
        location = (await self.ask("POST", "blobs/uploads/", 202)).headers["Location"]
        size = -(-len(content) // pieces)
        for start in range(0, len(content), size):
            piece = content[start : start + size]
            answer = await self.ask("PATCH", location, 202, content=piece)
            location = answer.headers["Location"]
        await self._close(location, content, b"")

    async def _close(self, location: str, content: bytes, rest: bytes) -> None:
        url = httpx.URL(location).copy_add_param("digest", str(Digest.of(content)))
        await self.ask("PUT", str(url), 201, content=rest)

    async def put_manifest(self, reference: str, manifest: bytes) -> None:
        headers = {"Content-Type": media_types.OCI_MANIFEST}
        await self.ask("PUT", f"manifests/{reference}", 201, content=manifest, **headers)

    async def push_image(self, tag: str) -> None:
        for content in (CONFIG, self.layer):
            await self.put_blob(content)
        await self.put_manifest(tag, self.manifest)

    async def pull(self, reference: str, manifest: bytes, *layers: bytes) -> None:
        assert (await self.ask("GET", f"manifests/{reference}", 200)).content == manifest
        for layer in layers:
            await self.has_blob(layer)

    async def has_blob(self, content: bytes) -> None:
        path = f"blobs/{Digest.of(content)}"
        assert int((await self.ask("HEAD", path, 200)).headers["Content-Length"]) == len(content)
        assert (await self.ask("GET", path, 200)).content == content

    async def lacks(self, path: str) -> None:
        await self.ask("GET", path, 404)

    @property
    def signature(self) -> bytes:
        """A manifest that refers to the image's."""
        subject = descriptor(self.manifest, media_types.OCI_MANIFEST)
        return image_manifest(self.layer, subject=subject, artifactType="application/example")

    @property
    def referrers(self) -> str:
        return f"referrers/{Digest.of(self.manifest)}"


Step = Callable[[Client], Awaitable[None]]


@dataclass(frozen=True)
class Operation:
    """``act`` is what is tried and may raise `Away`; repeated, it must succeed.

    ``prepare`` makes what it needs, ``check`` sees that it was done, and nothing else undone.
    """

    act: Step
    check: Step
    prepare: Step
    size: int = 1000
    """Of the layer, in bytes."""


def new_layer(size: int) -> bytes:
    """Content that nobody has pushed yet."""
    return random_bytes(size, next(_seeds))
