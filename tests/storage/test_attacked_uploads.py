"""Uploads whose owner uses the signed URL otherwise than to stage one block, on Azurite.

The permission to write one blob (``sp=w``) also permits to put it as a blob of any kind, to commit
it, to set its properties, metadata and tier, to lease it and to take snapshots.
learn.microsoft.com/rest/api/storageservices/create-service-sas, "Specify permissions"
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from azure.storage.blob import BlobProperties

from registry_core.object_store.errors import CopyPending, StoreError, StoreRefused
from registry_core.object_store.interface import ObjectStore
from registry_core.registry import DirectUpload
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, TooManyRequests, Unavailable
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import container_client, opened
from tests.support.staging import StagingMemory, put_direct
from tests.support.wire import NO_TLS

pytestmark = pytest.mark.anyio

REPOSITORY = "repository"
CONTENT, EVIL = b"what the manifest names" * 10, b"what its owner has instead" * 10
DIGEST = Digest.of(CONTENT)
WANTED = {DIGEST: len(CONTENT)}
_LIST = '<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>{}</Latest></BlockList>'
_DIRTY = {
    "x-ms-blob-content-type": "text/html",
    "x-ms-blob-content-encoding": "gzip",
    "x-ms-blob-content-disposition": "attachment",
    "x-ms-blob-cache-control": "no-store",
    "x-ms-meta-digest": f"sha256:{'0' * 64}",
    "x-ms-meta-condemned": "run",
}


@dataclass(frozen=True)
class Owner:
    """The owner of an upload, who has its URL."""

    client: httpx.AsyncClient
    upload: DirectUpload

    async def stage(self, content: bytes = CONTENT) -> None:
        await self._send(self.upload.url, content, {})

    async def do(self, comp: str = "", content: bytes = b"", **headers: str) -> None:
        """Send a PUT for the blob itself; ``_`` in the names of headers is a hyphen."""
        base = self.upload.url.partition("&comp=block")[0]
        url = f"{base}&comp={comp}" if comp else base
        await self._send(url, content, {n.replace("_", "-"): v for n, v in headers.items()})

    async def commit(self, headers: Mapping[str, str]) -> None:
        block_id = httpx.URL(self.upload.url).params["blockid"]
        base = self.upload.url.partition("&comp=block")[0]
        await self._send(f"{base}&comp=blocklist", _LIST.format(block_id).encode(), headers)

    async def put(self, kind: str, content: bytes = CONTENT, **headers: str) -> None:
        await self.do("", content, x_ms_blob_type=kind, **headers)

    async def _send(self, url: str, content: bytes, headers: Mapping[str, str]) -> None:
        answer = await self.client.put(url, content=content, headers=headers)
        assert answer.is_success, answer.text


Attack = Callable[[Owner], Awaitable[object]]


async def commits_it_with_properties(owner: Owner) -> None:
    await owner.stage()
    await owner.commit(_DIRTY)


async def commits_it_and_leases_it(owner: Owner) -> None:
    await owner.stage()
    await owner.commit({})
    await owner.do("lease", x_ms_lease_action="acquire", x_ms_lease_duration="-1")


async def commits_it_and_archives_it(owner: Owner) -> None:
    await owner.stage()
    await owner.commit({})
    await owner.do("tier", x_ms_access_tier="Archive")


async def commits_it_and_takes_snapshots(owner: Owner) -> None:
    await owner.stage()
    await owner.commit(_DIRTY)
    for _ in range(3):
        await owner.do("snapshot")


async def commits_it_and_stages_other_content(owner: Owner) -> None:
    await owner.stage()
    await owner.commit({})
    await owner.stage(EVIL)


async def puts_a_whole_blob(owner: Owner) -> None:
    await owner.put("BlockBlob", x_ms_blob_content_encoding="gzip")


async def puts_an_append_blob(owner: Owner) -> None:
    await owner.put("AppendBlob", b"")


async def puts_a_page_blob_of_terabytes(owner: Owner) -> None:
    await owner.put("PageBlob", b"", x_ms_blob_content_length=str(8 * 2**40))


async def stages_many_blocks(owner: Owner) -> None:
    await owner.stage()
    url = owner.upload.url.partition("&blockid=")[0]
    for number in range(20):
        block_id = b64encode(f"{number:023d}".encode()).decode()
        await owner.client.put(f"{url}&blockid={block_id}", content=CONTENT)


ATTACKS: list[Attack] = [
    commits_it_with_properties,
    commits_it_and_leases_it,
    commits_it_and_archives_it,
    commits_it_and_takes_snapshots,
    commits_it_and_stages_other_content,
    puts_a_whole_blob,
    puts_an_append_blob,
    puts_a_page_blob_of_terabytes,
    stages_many_blocks,
]


@dataclass
class Interrupted:
    """Passes every call to ``inner``; before the first of ``name``, ``act`` runs."""

    inner: ObjectStore
    name: str = ""
    act: Callable[[], Awaitable[object]] | None = field(default=None)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name != self.name:
            return method

        async def interrupted(*args: Any, **options: Any) -> Any:
            act, self.act = self.act, None
            if act is not None:
                await act()
            return await method(*args, **options)

        return interrupted


@dataclass
class Scene:
    """A registry on Azurite, and its clients."""

    azurite: Azurite
    container: str
    store: Interrupted
    client: httpx.AsyncClient
    registry: StoredRegistry = field(init=False)

    def __post_init__(self) -> None:
        self.registry = StoredRegistry(self.store)

    async def began(self) -> Owner:
        """Begin an upload."""
        upload = await self.registry.start_direct_upload(REPOSITORY)
        assert upload is not None
        return Owner(self.client, upload)

    async def claim(self) -> None:
        """Claim the content, and assert that it is a blob as the registry writes it, or none."""
        with suppress(Unavailable, TooManyRequests):
            await self.registry.claim_direct_uploads(REPOSITORY, WANTED)
        stored = self._stored()
        assert (stored is not None) == await self.is_pushed()
        if stored is not None:
            _assert_clean(stored)

    async def is_pushed(self) -> bool:
        try:
            return (await self.registry.resolve_blob(REPOSITORY, DIGEST)).size == len(CONTENT)
        except BlobUnknown:
            return False

    def _stored(self) -> BlobProperties | None:
        """Return what storage has at the content's address."""
        with container_client(self.azurite, self.container) as container:
            blob = container.get_blob_client(Layout().content(DIGEST))
            if not blob.exists():
                return None
            assert blob.download_blob().readall() == CONTENT
            return blob.get_blob_properties()


def _assert_clean(properties: BlobProperties) -> None:
    """Assert that a blob has the properties of those that the registry writes itself."""
    settings = properties.content_settings
    assert settings.content_type in (None, "application/octet-stream")
    assert settings.content_encoding is None
    assert settings.content_disposition is None
    assert settings.cache_control is None
    assert properties.metadata == {"digest": str(DIGEST)}
    assert str(properties.blob_type) == "BlobType.BLOCKBLOB"
    assert properties.blob_tier != "Archive"


@pytest.fixture
async def scene(azurite: Azurite, container_name: str) -> AsyncIterator[Scene]:
    async with (
        opened(azurite, container_name) as store,
        httpx.AsyncClient(verify=NO_TLS) as client,
    ):
        yield Scene(azurite, container_name, Interrupted(store), client)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_an_owner_who(scene: Scene, attack: Attack) -> None:
    """... gets a blob as the registry writes it, or none; and the next, honest upload is one."""
    await attack(await scene.began())
    await scene.claim()

    await (await scene.began()).stage()
    await scene.claim()
    assert await scene.is_pushed()


@pytest.mark.parametrize("attack", [puts_an_append_blob, puts_a_page_blob_of_terabytes])
async def test_a_blob_of_another_kind_goes_with_its_upload(scene: Scene, attack: Attack) -> None:
    """Neither has a list of blocks, which the registry looks for."""
    upload = await scene.registry.start_upload(REPOSITORY)
    staging = await scene.registry.open_staging(upload)
    assert staging is not None
    await attack(Owner(scene.client, DirectUpload(upload, staging.block_url(0))))
    await scene.registry.cancel_upload(upload)
    with container_client(scene.azurite, scene.container) as container:
        assert not list(container.list_blob_names(name_starts_with=Layout().uploads))


@pytest.mark.parametrize("moment", ["commit", "head", "get_range", "copy"])
@pytest.mark.parametrize("kind", ["BlockBlob", "AppendBlob", "PageBlob", ""])
async def test_what_is_overwritten_meanwhile_does_not_reach_the_address(
    scene: Scene, moment: str, kind: str
) -> None:
    """Only the version that was hashed is copied: its ETag is a condition of every step."""
    owner = await scene.began()
    await owner.stage()
    done = []

    async def overwrite() -> None:
        done.append(moment)
        if kind == "":
            await owner.stage(EVIL[: len(CONTENT)])
            await owner.commit(_DIRTY)
        elif kind == "BlockBlob":
            await owner.put(kind, EVIL[: len(CONTENT)])
        else:
            await owner.put(kind, b"", x_ms_blob_content_length="512")

    scene.store.name, scene.store.act = moment, overwrite
    await scene.claim()
    assert done == [moment]

    await (await scene.began()).stage()
    await scene.claim()
    assert await scene.is_pushed()


@pytest.mark.parametrize(
    "refusal",
    [
        StoreRefused("commit: 409 BlobUsesCustomerSpecifiedEncryption"),
        CopyPending("commit: 409 PendingCopyOperation"),
    ],
)
async def test_an_upload_that_storage_does_not_let_the_registry_commit_is_passed_over(
    refusal: StoreError,
) -> None:
    """Encrypted with its owner's own key, or the target of a copy that takes as long as they like.

    REST "Copy Blob" needs no other permission than "Put Block".
    """

    class Refusing(StagingMemory):
        async def commit(self, path: str, *args: Any, **options: Any) -> str:
            if path == self.refused:
                raise refusal
            return await super().commit(path, *args, **options)

        refused = ""

    memory = Refusing()
    registry = StoredRegistry(memory)
    await put_direct(registry, memory, CONTENT)
    (memory.refused,) = memory.staged
    assert not await registry.claim_direct_uploads(REPOSITORY, WANTED)
    await put_direct(registry, memory, CONTENT)
    assert await registry.claim_direct_uploads(REPOSITORY, WANTED) == {DIGEST}
