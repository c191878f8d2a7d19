"""The operations of clients that are cut short and interleaved, and how clients repeat them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from registry_core.registry import Registry, Upload, UploadOutOfOrder
from registry_core.spec.digest import SHA256, Digest
from registry_core.spec.errors import (
    BlobUnknown,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestUnknown,
    Unavailable,
)
from tests.support.content import chunk, push_manifest


@dataclass
class Client:
    """The state of a client: the last upload that it received."""

    upload: Upload | None = None


Act = Callable[[Registry, Client], Awaitable[Any]]


@dataclass(frozen=True)
class Operation:
    """``again``: the ways in which clients continue when they do not know how ``act`` ended.

    ``takes``: it deletes on purpose what manifests reference. ``adds``: it adds something.
    """

    name: str
    act: Act
    again: Sequence[Act]
    takes: bool = False
    adds: bool = True

    def __str__(self) -> str:
        return self.name


def upload(
    name: str,
    repository: str,
    pieces: Sequence[bytes],
    last: bytes = b"",
    *,
    algorithm: str = SHA256,
    announced: str = SHA256,
    once: bool = False,
) -> Operation:
    """A blob uploaded by a PATCH for each piece, and a PUT with the last one.

    ``once``: its credentials expire before the PUT, so that it makes one blob only.
    """
    content = b"".join((*pieces, last))
    digest = Digest.of(content, algorithm)

    async def act(registry: Registry, client: Client) -> str:
        client.upload = await registry.start_upload(repository, announced)
        for piece in pieces:
            client.upload = await registry.append_upload(client.upload, chunk(piece))
        client.upload = replace(client.upload, once=once)
        return str(await registry.finish_upload(client.upload, digest, chunk(last)))

    async def resume(registry: Registry, client: Client) -> str:
        """Continue by the upload's status; from the start if it does not exist any more."""
        if client.upload is None:
            return await act(registry, client)
        try:
            there = replace(await registry.get_upload(client.upload), once=client.upload.once)
            rest = chunk(content[there.offset :], start=there.offset)
            return str(await registry.finish_upload(there, digest, rest))
        except BlobUploadUnknown:
            return await act(registry, client)

    async def finish_again(registry: Registry, client: Client) -> str:
        """Repeat the PUT, if it came to that; from the registry's offset if that differs."""
        if client.upload is None or client.upload.offset < len(content) - len(last):
            return await act(registry, client)
        try:
            return str(await registry.finish_upload(client.upload, digest, chunk(last)))
        except UploadOutOfOrder as error:
            client.upload = error.upload
            return await resume(registry, client)

    return Operation(name, act, (act, resume, finish_again))


def refused(name: str, repository: str, pieces: Sequence[bytes], last: bytes) -> Operation:
    """An upload whose digest is not its content's."""

    async def act(registry: Registry, client: Client) -> None:
        client.upload = await registry.start_upload(repository)
        for piece in pieces:
            client.upload = await registry.append_upload(client.upload, chunk(piece))
        with suppress(DigestInvalid):
            await registry.finish_upload(client.upload, Digest.of(b"another"), chunk(last))

    return Operation(name, act, (act,))


def append(name: str, begun: Upload, piece: bytes) -> Operation:
    """A PATCH that continues an upload; the outcome is the offset."""

    async def act(registry: Registry, _: Client) -> int:
        return (await registry.append_upload(begun, chunk(piece))).offset

    return Operation(name, act, (act,))


def finish(name: str, begun: Upload, content: bytes, last: bytes = b"") -> Operation:
    """A PUT that finishes an upload, with the rest of ``content``."""

    async def act(registry: Registry, _: Client) -> str:
        return str(await registry.finish_upload(begun, Digest.of(content), chunk(last)))

    return Operation(name, act, (act,))


def cancel(name: str, begun: Upload) -> Operation:
    async def act(registry: Registry, _: Client) -> None:
        await registry.cancel_upload(begun)

    return Operation(name, act, (act,))


def cancelled(name: str, repository: str, piece: bytes) -> Operation:
    """An upload that is cancelled after its first piece."""

    async def act(registry: Registry, client: Client) -> None:
        client.upload = await registry.start_upload(repository)
        client.upload = await registry.append_upload(client.upload, chunk(piece))
        await registry.cancel_upload(client.upload)

    async def again(registry: Registry, client: Client) -> None:
        with suppress(BlobUploadUnknown):
            if client.upload is not None:
                await registry.cancel_upload(client.upload)

    return Operation(name, act, (again,))


def mount(name: str, repository: str, content: bytes, source: str | None) -> Operation:
    async def act(registry: Registry, _: Client) -> str:
        return str(await registry.mount_blob(repository, Digest.of(content), source))

    return Operation(name, act, (act,))


def push(
    name: str, repository: str, content: bytes, *tags: str, algorithm: str = SHA256
) -> Operation:
    """A manifest pushed by its digest, with tags."""
    digest = Digest.of(content, algorithm)

    async def act(registry: Registry, _: Client) -> str:
        if len(tags) == 1:
            return str(await push_manifest(registry, repository, tags[0], content))
        return str(await push_manifest(registry, repository, digest, content, tags=tags))

    return Operation(name, act, (act,))


def delete(
    name: str, repository: str, reference: str | Digest, *, takes: bool = False
) -> Operation:
    """A manifest or a tag deleted. ``takes``: an index may reference it."""

    async def act(registry: Registry, _: Client) -> None:
        if isinstance(reference, str):
            await registry.delete_tag(repository, reference)
        else:
            await registry.delete_manifest(repository, reference)

    return Operation(name, act, (_or_gone(act),), takes, adds=False)


def delete_blob(name: str, repository: str, content: bytes) -> Operation:
    async def act(registry: Registry, _: Client) -> None:
        await registry.delete_blob(repository, Digest.of(content))

    return Operation(name, act, (_or_gone(act),), takes=True, adds=False)


def read(name: str, repository: str, reference: str | Digest) -> Operation:
    """A manifest read; the outcome is its digest."""

    async def act(registry: Registry, _: Client) -> str:
        found = await registry.get_manifest(repository, reference)
        assert Digest.of(found.content, found.descriptor.digest.algorithm) == (
            found.descriptor.digest
        )
        return str(found.descriptor.digest)

    return Operation(name, act, (act,))


def persistent(operation: Operation) -> Operation:
    """Return the operation of a client that repeats it with the instance that answered 503."""

    async def act(registry: Registry, client: Client) -> Any:
        try:
            return await operation.act(registry, client)
        except Unavailable:
            return await operation.again[-1](registry, client)

    return Operation(operation.name, act, (), operation.takes)


def _or_gone(act: Act) -> Act:
    async def again(registry: Registry, client: Client) -> None:
        with suppress(ManifestUnknown, BlobUnknown):
            await act(registry, client)

    return again
