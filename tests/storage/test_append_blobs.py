"""Pushes over append blobs that another registry wrote, as Azure and as Azurite answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from registry_core.object_store.azure import AzureBlobStore
from registry_core.serve.azurite import Azurite
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.errors import ManifestUnknown
from registry_core.spec.manifest import parse_manifest
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.contracts.object_store import Append
from tests.support.azure_answers import AzureAnswers, Precedence
from tests.support.azurite import write_append_blob
from tests.support.content import CONFIG, chunk, image_manifest, push_manifest, random_bytes

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
REPOSITORY = "library/app"
OLD, NEW = b"the old layer", b"the new layer"
LARGE = random_bytes(9 << 20)  # staged and committed, not put


PRECEDENCES: tuple[Precedence, ...] = ("InvalidBlobType", "BlobAlreadyExists", "ConditionNotMet")


@pytest.fixture(scope="module", params=[*PRECEDENCES, "overwritten"])
def storage(azurite: Azurite, request: pytest.FixtureRequest) -> Iterator[Azurite | AzureAnswers]:
    """Storage with Azure's answers, each that `If-None-Match: *` may get; and Azurite as it is."""
    if request.param == "overwritten":
        yield azurite
        return
    with AzureAnswers(azurite, if_absent=request.param) as azure:
        yield azure


@pytest.fixture
async def store(
    storage: Azurite | AzureAnswers, container_name: str
) -> AsyncIterator[AzureBlobStore]:
    store = AzureBlobStore.from_connection_string(storage.connection_string, container_name)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def append(azurite: Azurite, container_name: str) -> Append:
    async def append(path: str, *pieces: bytes) -> None:
        await asyncio.to_thread(write_append_blob, azurite, container_name, path, *pieces)

    return append


@pytest.fixture
async def registry(store: AzureBlobStore, append: Append) -> StoredRegistry:
    """A registry whose repository holds the image `OLD`, tagged v1, all of it append blobs."""
    await _write_image(append, OLD, "v1")
    return StoredRegistry(store)


async def _write_image(append: Append, layer: bytes, tag: str) -> None:
    manifest = image_manifest(layer)
    for content in (CONFIG, layer, manifest):
        await append(LAYOUT.content(Digest.of(content)), content)
    for content in (CONFIG, layer):
        await _write_link(append, LAYOUT.blob_link(REPOSITORY, Digest.of(content)), content)
    digest = Digest.of(manifest)
    await _write_link(append, LAYOUT.revision_link(REPOSITORY, digest), manifest)
    await _write_link(append, LAYOUT.tag_index_link(REPOSITORY, tag, digest), manifest)
    await _write_link(append, LAYOUT.tag_link(REPOSITORY, tag), manifest)


async def _write_link(append: Append, path: str, target: bytes) -> None:
    await append(path, str(Digest.of(target)).encode())


async def _push_whole(registry: StoredRegistry, content: bytes) -> None:
    """Push as containerd does: one PUT, its digest known from the start."""
    upload = await registry.start_upload(REPOSITORY)
    await registry.finish_upload(upload, Digest.of(content), chunk(content))


async def _push_in_parts(registry: StoredRegistry, content: bytes) -> None:
    """Push as docker does: PATCH, and a PUT that names the digest."""
    upload = await registry.start_upload(REPOSITORY)
    for part in (content[:5], content[5:]):
        upload = await registry.append_upload(upload, chunk(part))
    await registry.finish_upload(upload, Digest.of(content), chunk())


Push = Callable[[StoredRegistry, bytes], Awaitable[None]]
PUSHES = pytest.mark.parametrize("push", [_push_whole, _push_in_parts])


async def _pull(registry: StoredRegistry, tag: str) -> tuple[bytes, bytes]:
    """Return the manifest, and the content of its layer."""
    found = await registry.get_manifest(REPOSITORY, tag)
    assert Digest.of(found.content) == found.descriptor.digest
    [layer] = parse_manifest(found.content).document.layers
    blob = await registry.open_blob(REPOSITORY, layer.digest)
    body = await blob.read(0, blob.descriptor.size)
    return found.content, b"".join([bytes(piece) async for piece in body])


async def test_an_image_of_append_blobs_is_pulled(registry: StoredRegistry) -> None:
    assert await _pull(registry, "v1") == (image_manifest(OLD), OLD)


@PUSHES
async def test_the_same_image_is_pushed_again(registry: StoredRegistry, push: Push) -> None:
    for content in (CONFIG, OLD):
        await push(registry, content)
    await push_manifest(registry, REPOSITORY, "v1", image_manifest(OLD), media_types.OCI_MANIFEST)
    assert await _pull(registry, "v1") == (image_manifest(OLD), OLD)


@PUSHES
async def test_the_tag_is_moved_to_a_new_image(registry: StoredRegistry, push: Push) -> None:
    await push(registry, NEW)
    await push_manifest(registry, REPOSITORY, "v1", image_manifest(NEW), media_types.OCI_MANIFEST)
    assert await _pull(registry, "v1") == (image_manifest(NEW), NEW)
    old = Digest.of(image_manifest(OLD))
    assert (await registry.get_manifest(REPOSITORY, old)).content == image_manifest(OLD)


@PUSHES
async def test_content_of_several_blocks_is_there_already(
    registry: StoredRegistry, push: Push, append: Append
) -> None:
    await append(LAYOUT.content(Digest.of(LARGE)), LARGE[: 4 << 20], LARGE[4 << 20 :])
    await push(registry, LARGE)
    await push_manifest(registry, REPOSITORY, "v2", image_manifest(LARGE), media_types.OCI_MANIFEST)
    assert await _pull(registry, "v2") == (image_manifest(LARGE), LARGE)


async def test_a_blob_is_mounted(registry: StoredRegistry, append: Append) -> None:
    """Into a repository that has an append blob in the link's place."""
    path = LAYOUT.blob_link("other", Digest.of(OLD))
    await _write_link(append, path, OLD)
    blob = await registry.mount_blob("other", Digest.of(OLD), REPOSITORY)
    assert blob == (await registry.open_blob("other", Digest.of(OLD))).descriptor


async def test_a_tag_and_a_manifest_are_deleted(registry: StoredRegistry) -> None:
    await registry.delete_tag(REPOSITORY, "v1")
    assert (await registry.list_tags(REPOSITORY, PageQuery())).entries == ()
    digest = Digest.of(image_manifest(OLD))
    await registry.delete_manifest(REPOSITORY, digest)
    with pytest.raises(ManifestUnknown):
        await registry.get_manifest(REPOSITORY, digest)


async def test_the_tag_becomes_a_block_blob_with_metadata(
    registry: StoredRegistry, store: AzureBlobStore
) -> None:
    await push_manifest(registry, REPOSITORY, "v1", image_manifest(OLD), media_types.OCI_MANIFEST)
    link = await store.head(LAYOUT.tag_link(REPOSITORY, "v1"))
    assert not link.is_append
    assert link.metadata["digest"] == str(Digest.of(image_manifest(OLD)))
