"""The container that the registry is in: requests about it and its blobs, and signed URLs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .client import Answer, BlobClient, Consume, Request, no_value
from .properties import read_written
from .session import Attempts
from .signing import Signature, Signer

T = TypeVar("T")


@dataclass(frozen=True)
class Container:
    """A container, over the client of its account; ``signer`` signs the URLs of its blobs.

    Wherever a blob's ``path`` is None, the request is about the container itself.
    """

    client: BlobClient
    signer: Signer

    @property
    def name(self) -> str:
        """The name of the container."""
        return self.client.target.container

    async def send(
        self, operation: str, method: str, path: str | None, **options: Any
    ) -> Mapping[str, str]:
        """Send a request whose answer has no body, and return its headers; else as `read`."""
        return (await self.read(operation, method, path, no_value, **options)).headers

    async def read(
        self,
        operation: str,
        method: str,
        path: str | None,
        consume: Consume[T],
        *,
        subject: str = "",
        attempts: Attempts | None = None,
        **options: Any,
    ) -> Answer[T]:
        """Send a request and return the answer, its body read by ``consume``.

        :param subject: what messages name, without a path, instead of the container.
        :param options: fields of `Request`.
        :raises StoreError: see `BlobClient.send`.
        """
        request = Request(
            operation=operation,
            method=method,
            subject=path or subject or self.name,
            resource=self.name if path is None else f"{self.name}/{path}",
            consume=consume,
            **options,
        )
        return await self.client.send(request, attempts)

    async def write(self, operation: str, path: str, **options: Any) -> str:
        """Write a blob by PUT, and return its new ETag; else as `read`."""
        return (await self.read(operation, "PUT", path, read_written, **options)).value

    def small_write(self) -> dict[str, str]:
        """Return the query parameter that limits the time of a small write in storage."""
        return {"timeout": str(self.client.limits.small_write)}

    async def sign(self, path: str, seconds: float, permissions: str = "r") -> Signature:
        """Return a signature that lets its bearer read, or else use, a blob for ``seconds``."""
        return await self.signer.sign(self.name, path, seconds=seconds, permissions=permissions)

    def signed_url(self, path: str, signature: Signature) -> str:
        """Return the URL of a blob with a signature."""
        return f"{self.client.url(f'{self.name}/{path}')}?{signature.query}"

    async def close(self) -> None:
        """Close all connections, and stop refreshing keys."""
        await self.signer.close()
        await self.client.close()
