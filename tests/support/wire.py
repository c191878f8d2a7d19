"""Requests to a registry's HTTP API, and the preparations that most tests need."""

import ssl
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_manifest
from tests.support.hosts import LOCAL, HostKind

OCTETS = {"Content-Type": media_types.OCTET_STREAM}


NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For all clients, because each would load all certificates again."""


def over_http(url: str, *, tls: ssl.SSLContext = NO_TLS) -> httpx.AsyncClient:
    """Return a client for a host on this machine; ``tls`` trusts the targets of redirects."""
    return httpx.AsyncClient(base_url=url, timeout=60, verify=tls)


def fresh_name() -> str:
    """Return a new repository name."""
    return f"test/{uuid.uuid4().hex}"


@dataclass
class Wire:
    """A client of one repository. ``paths`` lists the objects that are committed in storage."""

    client: httpx.AsyncClient
    repository: str
    paths: Callable[[], set[str]]
    host: HostKind = LOCAL

    @property
    def base(self) -> str:
        return f"/v2/{self.repository}"

    async def start(self) -> str:
        """Start an upload and return its location."""
        answer = await self.client.post(f"{self.base}/blobs/uploads/")
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    async def patch(self, location: str, content: bytes, **headers: str) -> httpx.Response:
        """Send a chunk with a length."""
        return await self.client.patch(location, content=content, headers=OCTETS | headers)

    async def finish(
        self, location: str, digest: object, content: bytes = b"", **headers: str
    ) -> httpx.Response:
        """Close an upload; ``digest`` is added to the query of the location."""
        url = httpx.URL(location).copy_add_param("digest", str(digest))
        return await self.client.put(url, content=content, headers=OCTETS | headers)

    async def push_blob(self, content: bytes) -> Digest:
        """Push a blob by POST and PUT."""
        digest = Digest.of(content)
        answer = await self.finish(await self.start(), digest, content)
        assert answer.status_code == 201, answer.text
        return digest

    async def put_manifest(
        self, reference: object, content: bytes, media_type: str | None = media_types.OCI_MANIFEST
    ) -> httpx.Response:
        headers = {"Content-Type": media_type} if media_type else {}
        return await self.client.put(
            f"{self.base}/manifests/{reference}", content=content, headers=headers
        )

    async def push_image(self, tag: str, layer: bytes) -> bytes:
        """Push an image of one layer and return its manifest."""
        for content in (CONFIG, layer):
            await self.push_blob(content)
        manifest = image_manifest(layer)
        answer = await self.put_manifest(tag, manifest)
        assert answer.status_code == 201, answer.text
        return manifest

    @contextmanager
    def nothing_new_in_storage(self) -> Iterator[None]:
        """Assert that the block adds no object to storage."""
        before = self.paths()
        yield
        assert self.paths() - before == set()


def assert_error(answer: httpx.Response, status: int, code: str) -> str:
    """Assert that the answer is the specification's error JSON, and return its message."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["Content-Type"] == "application/json"
    errors = answer.json()["errors"]
    assert [error["code"] for error in errors] == [code] * len(errors)
    assert errors
    message: str = errors[0]["message"]
    assert message
    assert "Traceback" not in answer.text
    return message


def reference_in(message: str) -> str:
    """Return the reference to the log that is in an error's message."""
    return message.rpartition(" (reference ")[2].removesuffix(")")
