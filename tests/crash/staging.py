"""Operations of clients that write blobs to storage by themselves: staged and direct uploads."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from registry_core.object_store.interface import ObjectStore
from registry_core.registry import DirectUpload, Registry, Upload
from registry_core.spec.digest import SHA256, Digest
from registry_core.spec.errors import BlobUploadUnknown, DigestInvalid, TooManyRequests
from tests.support.staging import put_block

from .chance import draw_from
from .operations import Client, Operation
from .scene import REPOSITORY, Scene, uncached
from .world import State, World


def _store(registry: Registry) -> ObjectStore:
    store: ObjectStore = registry._blobs.membership.store  # type: ignore[attr-defined]
    return store


async def _stage(registry: Registry, upload: Upload, blocks: Sequence[bytes]) -> None:
    staging = await registry.open_staging(upload)
    assert staging is not None
    for index, block in enumerate(blocks):
        await put_block(_store(registry), staging.block_url(index), block)


async def _finish(registry: Registry, upload: Upload, digest: Digest, blocks: int) -> str:
    while True:
        try:
            return str(await registry.finish_staged_upload(upload, digest, blocks))
        except TooManyRequests:
            continue


def staged(
    name: str, repository: str, blocks: Sequence[bytes], *, algorithm: str = SHA256
) -> Operation:
    """A blob whose blocks the client stages."""
    digest = Digest.of(b"".join(blocks), algorithm)

    async def act(registry: Registry, client: Client) -> str:
        client.upload = upload = await registry.start_upload(repository)
        await _stage(registry, upload, blocks)
        return await _finish(registry, upload, digest, len(blocks))

    async def finish_again(registry: Registry, client: Client) -> str:
        if client.upload is None:
            return await act(registry, client)
        with suppress(BlobUploadUnknown):
            return await _finish(registry, client.upload, digest, len(blocks))
        await _stage(registry, client.upload, blocks)
        return await _finish(registry, client.upload, digest, len(blocks))

    return Operation(name, act, (act, finish_again))


def refused_staged(name: str, repository: str, blocks: Sequence[bytes]) -> Operation:
    """A staged upload whose digest is not its content's."""

    async def act(registry: Registry, client: Client) -> None:
        client.upload = await registry.start_upload(repository)
        await _stage(registry, client.upload, blocks)
        with suppress(DigestInvalid):
            await _finish(registry, client.upload, Digest.of(b"another"), len(blocks))

    return Operation(name, act, (act,))


def cancelled_staged(name: str, repository: str, blocks: Sequence[bytes]) -> Operation:
    """An upload that is cancelled after its blocks were staged."""

    async def act(registry: Registry, client: Client) -> None:
        client.upload = await registry.start_upload(repository)
        await _stage(registry, client.upload, blocks)
        await registry.cancel_upload(client.upload)

    async def again(registry: Registry, client: Client) -> None:
        if client.upload is not None:
            await registry.cancel_upload(client.upload)

    return Operation(name, act, (again,))


async def _claim(registry: Registry, repository: str, content: bytes) -> str:
    wanted = {Digest.of(content): len(content)}
    while True:
        try:
            claimed = await registry.claim_direct_uploads(repository, wanted)
        except TooManyRequests:
            continue
        return ", ".join(map(str, claimed)) or str(
            (await registry.resolve_blob(repository, Digest.of(content))).digest
        )


def direct(name: str, repository: str, content: bytes) -> Operation:
    """A blob that the client puts to storage with one request, and claims."""

    async def act(registry: Registry, client: Client) -> str:
        upload = await registry.start_direct_upload(repository)
        assert upload is not None
        await put_block(_store(registry), upload.url, content)
        client.upload = upload.upload
        return await _claim(registry, repository, content)

    async def claim_again(registry: Registry, client: Client) -> str:
        if client.upload is None:
            return await act(registry, client)
        return await _claim(registry, repository, content)

    return Operation(name, act, (act, claim_again))


def finish_staged(name: str, begun: Upload, blocks: Sequence[bytes]) -> Operation:
    """The end of an upload whose blocks have been staged before."""

    async def act(registry: Registry, _: Client) -> str:
        return await _finish(registry, begun, Digest.of(b"".join(blocks)), len(blocks))

    return Operation(name, act, (act,))


def claim(name: str, content: bytes) -> Operation:
    """The claim of an upload that was put to storage before."""

    async def act(registry: Registry, _: Client) -> str:
        return await _claim(registry, REPOSITORY, content)

    return Operation(name, act, (act,))


def begun_staged(scene: Scene, blocks: Sequence[bytes]) -> tuple[State, Upload]:
    """Return the store after a client has staged blocks, and its upload."""
    world = World.of(scene.ours)

    async def begin() -> Upload:
        draw_from("what was staged before")
        registry = uncached(world)
        upload = await registry.start_upload(REPOSITORY)
        await _stage(registry, upload, blocks)
        return upload

    upload = scene.loop.run_until_complete(begin())
    return world.save(), upload


def begun_direct(scene: Scene, *contents: bytes) -> State:
    """Return the store after a client has put contents to it, one upload for each."""
    world = World.of(scene.ours)

    async def begin() -> None:
        draw_from("what was put before")
        registry = uncached(world)
        for content in contents:
            upload: DirectUpload | None = await registry.start_direct_upload(REPOSITORY)
            assert upload is not None
            await put_block(world, upload.url, content)

    scene.loop.run_until_complete(begin())
    return world.save()
