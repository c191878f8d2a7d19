"""The contract for blobs: read, resolved and mounted."""

from __future__ import annotations

import httpx
import pytest

from registry_core.registry import Registry
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, NameInvalid
from registry_core.spec.media_types import OCTET_STREAM
from tests.support.content import push_blob, read_blob

from .common import LARGE, SMALL, Snapshot


class Blobs:
    """Blobs of a repository."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    async def test_a_pushed_blob_is_described_and_read(
        self, registry: Registry, content: bytes
    ) -> None:
        digest = Digest.of(content)
        pushed = await push_blob(registry, "a/b", content)
        assert (pushed.media_type, pushed.digest, pushed.size) == (
            OCTET_STREAM,
            digest,
            len(content),
        )
        assert await registry.resolve_blob("a/b", digest) == pushed
        blob = await registry.open_blob("a/b", digest)
        assert blob.descriptor == pushed
        assert await read_blob(registry, "a/b", digest) == content

    @pytest.mark.parametrize("offset, length", [(0, 1), (3, 4), (len(SMALL) - 1, 1), (5, 8)])
    async def test_a_part_of_a_blob_is_read(
        self, registry: Registry, offset: int, length: int
    ) -> None:
        await push_blob(registry, "a", SMALL)
        blob = await registry.open_blob("a", Digest.of(SMALL))
        pieces = [piece async for piece in await blob.read(offset, length)]
        assert b"".join(pieces) == SMALL[offset : offset + length]

    async def test_a_large_part_of_a_blob_is_read(self, registry: Registry) -> None:
        await push_blob(registry, "a", LARGE)
        blob = await registry.open_blob("a", Digest.of(LARGE))
        pieces = [piece async for piece in await blob.read(1000, len(LARGE) - 2000)]
        assert b"".join(pieces) == LARGE[1000:-1000]

    async def test_the_url_of_a_blob_if_it_has_one_serves_its_content(
        self, registry: Registry
    ) -> None:
        await push_blob(registry, "a", LARGE)
        url = await (await registry.open_blob("a", Digest.of(LARGE))).url()
        if url is not None:
            async with httpx.AsyncClient() as client:
                assert (await client.get(url)).content == LARGE

    async def test_a_blob_belongs_to_the_repository_it_was_pushed_to(
        self, registry: Registry
    ) -> None:
        await push_blob(registry, "a", SMALL)
        for repository, digest in (("b", Digest.of(SMALL)), ("a", Digest.of(b"other"))):
            with pytest.raises(BlobUnknown):
                await registry.open_blob(repository, digest)
            with pytest.raises(BlobUnknown):
                await registry.resolve_blob(repository, digest)

    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    async def test_a_blob_is_mounted_from_another_repository(
        self, registry: Registry, content: bytes
    ) -> None:
        pushed = await push_blob(registry, "a", content)
        assert await registry.mount_blob("b", pushed.digest, "a") == pushed
        assert await read_blob(registry, "b", pushed.digest) == content

    async def test_a_blob_is_mounted_from_any_repository(self, registry: Registry) -> None:
        pushed = await push_blob(registry, "a", SMALL)
        assert await registry.mount_blob("b", pushed.digest, None) == pushed
        assert await registry.resolve_blob("b", pushed.digest) == pushed

    async def test_a_blob_that_is_not_there_cannot_be_mounted_and_leaves_nothing(
        self, registry: Registry, snapshot: Snapshot
    ) -> None:
        await push_blob(registry, "a", SMALL)
        before = snapshot()
        for digest, source in (
            (Digest.of(b"other"), "a"),
            (Digest.of(SMALL), "elsewhere"),
            (Digest.of(b"other"), None),
        ):
            with pytest.raises(BlobUnknown):
                await registry.mount_blob("b", digest, source)
        assert snapshot() == before

    @pytest.mark.parametrize("name", ["BAD", "../x", "a//b", ""])
    async def test_what_is_pushed_needs_a_repository_with_a_valid_name(
        self, registry: Registry, snapshot: Snapshot, name: str
    ) -> None:
        with pytest.raises(NameInvalid):
            await registry.start_upload(name)
        with pytest.raises(NameInvalid):
            await registry.mount_blob(name, Digest.of(SMALL), "a")
        with pytest.raises(NameInvalid):
            await registry.start_direct_upload(name)
        assert snapshot() == {}
