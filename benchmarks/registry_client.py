"""Requests to a registry, as container clients send them (OCI distribution-spec, "API")."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from .connection import Answer, Connection, Unexpected
from .content import MANIFEST_TYPE, Content, Image

OCTETS = "application/octet-stream"
REDIRECTS = (302, 303, 307, 308)
TOO_MANY_REQUESTS = 429


class RegistryClient:
    """A client of one repository of the registry at `url`, over one connection.

    `headers` are sent with every request.
    """

    def __init__(self, url: str, repository: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self._connection = Connection(url, headers)
        self._prefix = f"{parts.path.rstrip('/')}/v2/"
        self.repository = repository

    def ping(self) -> None:
        """end-1. Opens the connection, so that later requests do not include that."""
        self._connection.request("GET", self._prefix, expect=[200])

    def head_blob(self, digest: str) -> bool:
        """end-2. Returns whether the repository has the blob."""
        return self._connection.request("HEAD", self.blob(digest), expect=[200, 404]).status == 200

    def get_blob(self, digest: str) -> Answer:
        """end-2. Does not follow redirects."""
        return self._connection.request("GET", self.blob(digest), expect=[200, *REDIRECTS])

    def pull_blob(self, content: Content) -> bool:
        """end-2. Reads all of the content, following a redirect. Returns whether there was one.

        :raises Unexpected: when the size is not the content's.
        """
        answer = self.get_blob(content.digest)
        redirected = answer.status != 200
        if redirected:
            location = answer.header("location")
            parts = urlsplit(location)
            with Connection(location) as storage:
                answer = storage.request("GET", f"{parts.path}?{parts.query}", expect=[200])
        if answer.size != content.size:
            raise Unexpected(f"received {answer.size} bytes of {content.size}")
        return redirected

    def start_upload(self) -> str:
        """end-4a. Returns where the upload goes on."""
        target = f"{self._prefix}{self.repository}/blobs/uploads/"
        return self._connection.request("POST", target, expect=[202]).header("location")

    def push_by_patch(self, content: Content) -> None:
        """end-4a, end-5, end-6: one chunked PATCH, as docker and podman push a layer."""
        location = target_of(self.start_upload())
        headers = {"Content-Type": OCTETS, "Transfer-Encoding": "chunked"}
        answer = self._connection.request(
            "PATCH", location, body=content.chunked_pieces(), headers=headers, expect=[202]
        )
        closing = _with_digest(target_of(answer.header("location")), content.digest)
        self._connection.request("PUT", closing, expect=[201])

    def push_by_put(self, content: Content) -> None:
        """end-4a, end-6: one PUT with a length, as containerd and buildx push a layer."""
        target = _with_digest(target_of(self.start_upload()), content.digest)
        headers = {"Content-Type": OCTETS, "Content-Length": str(content.size)}
        self._connection.request(
            "PUT", target, body=content.pieces(), headers=headers, expect=[201]
        )

    def push_image(self, image: Image, tag: str) -> None:
        """Push an image of one layer as docker does, one request after the other."""
        if not self.head_blob(image.layer.digest):
            self.push_by_patch(image.layer)
        if not self.head_blob(image.config.digest):
            self.push_by_put(image.config)
        self.push_manifest(image, tag)

    def push_manifest(self, image: Image, tag: str) -> None:
        """end-7. Sends it again, as containerd does, while the answer is 429."""
        answer = None
        while answer is None or answer.status == TOO_MANY_REQUESTS:
            answer = self._connection.request(
                "PUT",
                self.manifest(tag),
                body=image.manifest,
                headers={"Content-Type": MANIFEST_TYPE},
                expect=[201, TOO_MANY_REQUESTS],
            )

    def get_manifest(self, reference: str) -> Answer:
        """end-3"""
        return self._read_manifest("GET", reference)

    def head_manifest(self, reference: str) -> Answer:
        """end-3, by HEAD."""
        return self._read_manifest("HEAD", reference)

    def list_tags(self) -> Answer:
        """end-8a"""
        target = f"{self._prefix}{self.repository}/tags/list"
        return self._connection.request("GET", target, expect=[200])

    def blob(self, digest: str) -> str:
        """Return the request target of a blob."""
        return f"{self._prefix}{self.repository}/blobs/{digest}"

    def manifest(self, reference: str) -> str:
        """Return the request target of a manifest."""
        return f"{self._prefix}{self.repository}/manifests/{reference}"

    def _read_manifest(self, method: str, reference: str) -> Answer:
        return self._connection.request(
            method, self.manifest(reference), headers={"Accept": MANIFEST_TYPE}, expect=[200]
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        self.ping()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def target_of(location: str) -> str:
    """Return the path and query of a `Location` in the same registry."""
    parts = urlsplit(location)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _with_digest(target: str, digest: str) -> str:
    return f"{target}{'&' if '?' in target else '?'}digest={digest}"
