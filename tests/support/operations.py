"""Operations of clients, each with its preparation and a check of its effect."""

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


class Unavailable(Exception):
    """The registry has answered 503 with Retry-After."""


@asynccontextmanager
async def registry_over(store: ObjectStore) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client of a new registry in this process, without redirects."""
    settings = Settings(AzureStorage("unused"), SECRET, redirect=False)
    app = build_application(settings, build_registry(settings, store))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        yield client


class Client:
    """A client of one repository with an image to push."""

    def __init__(self, http: httpx.AsyncClient, repository: str, layer: bytes) -> None:
        self.http = http
        self.base = f"/v2/{repository}"
        self.layer = layer
        self.manifest = image_manifest(layer)
        self.gone_before: tuple[int, ...] = ()
        """404 when an earlier attempt at a deletion may have succeeded."""

    async def send(
        self, method: str, path: str, *expected: int, content: bytes = b"", **headers: str
    ) -> httpx.Response:
        """Send a request. :raises Unavailable: when the answer is 503 with Retry-After."""
        url = path if path.startswith(("/v2/", "http")) else f"{self.base}/{path}"
        answer = await self.http.request(method, url, content=content, headers=OCTETS | headers)
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            assert method == "HEAD" or answer.json()["errors"][0]["code"] == "UNAVAILABLE"
            raise Unavailable
        assert answer.status_code in expected, (method, url, answer.status_code, answer.text)
        return answer

    async def put_blob(self, content: bytes) -> None:
        location = (await self.send("POST", "blobs/uploads/", 202)).headers["Location"]
        await self._close(location, content, content)

    async def patch_blob(self, content: bytes, *, pieces: int = 1) -> None:
        location = (await self.send("POST", "blobs/uploads/", 202)).headers["Location"]
        size = -(-len(content) // pieces)
        for start in range(0, len(content), size):
            piece = content[start : start + size]
            answer = await self.send("PATCH", location, 202, content=piece)
            location = answer.headers["Location"]
        await self._close(location, content, b"")

    async def _close(self, location: str, content: bytes, rest: bytes) -> None:
        url = httpx.URL(location).copy_add_param("digest", str(Digest.of(content)))
        await self.send("PUT", str(url), 201, content=rest)

    async def put_manifest(self, reference: str, manifest: bytes) -> None:
        headers = {"Content-Type": media_types.OCI_MANIFEST}
        await self.send("PUT", f"manifests/{reference}", 201, content=manifest, **headers)

    async def push_image(self, tag: str) -> None:
        for content in (CONFIG, self.layer):
            await self.put_blob(content)
        await self.put_manifest(tag, self.manifest)

    async def pull(self, reference: str, manifest: bytes, *layers: bytes) -> None:
        assert (await self.send("GET", f"manifests/{reference}", 200)).content == manifest
        for layer in layers:
            await self.has_blob(layer)

    async def has_blob(self, content: bytes) -> None:
        path = f"blobs/{Digest.of(content)}"
        assert int((await self.send("HEAD", path, 200)).headers["Content-Length"]) == len(content)
        assert (await self.send("GET", path, 200)).content == content

    async def lacks(self, path: str) -> None:
        await self.send("GET", path, 404)

    @property
    def signature(self) -> bytes:
        """A manifest whose subject is the image's."""
        subject = descriptor(self.manifest, media_types.OCI_MANIFEST)
        return image_manifest(self.layer, subject=subject, artifactType="application/example")

    @property
    def referrers(self) -> str:
        return f"referrers/{Digest.of(self.manifest)}"


Step = Callable[[Client], Awaitable[None]]


@dataclass(frozen=True)
class Operation:
    """``act`` may raise `Unavailable`; repeated, it must succeed.

    ``prepare`` creates its preconditions, ``check`` verifies its effect and that nothing else
    changed.
    """

    act: Step
    check: Step
    prepare: Step
    size: int = 1000
    """The size of the layer in bytes."""


def new_layer(size: int) -> bytes:
    """Return new content."""
    return random_bytes(size, next(_seeds))
