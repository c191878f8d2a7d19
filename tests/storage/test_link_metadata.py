"""The metadata of links, exactly, on the memory store and on Azurite, and as listings show them."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from json.decoder import scanstring  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

import pytest

from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.interface import ObjectStore
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import ManifestInfo, Registry
from registry_core.serve.azurite import Azurite
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.image_config import ImageConfig
from registry_core.storage.layout import Layout
from registry_core.storage.link_metadata import parse_referrer, to_text
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    LAYER,
    WAYS_TO_PUSH,
    PushBlob,
    chunk,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_manifest,
)

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
PUSHED = 1_790_000_000
CREATED = "2026-01-02T03:04:05Z"
CONFIG = json.dumps(
    {"os": "linux", "architecture": "arm", "variant": "v7", "created": CREATED}
).encode()
IMAGE = ImageConfig("linux", "arm", "v7", CREATED)
BLOB = b"a layer that occurs twice"
SUBJECT = image_manifest(b"the subject")
MANIFEST = image_manifest(
    BLOB,
    BLOB,
    config=descriptor(CONFIG, media_types.OCI_CONFIG),
    subject=descriptor(SUBJECT, media_types.OCI_MANIFEST),
    artifactType="application/vnd.exämple",
)
DIGEST = Digest.of(MANIFEST)


@pytest.fixture(params=["memory", "azurite"])
async def store(request: pytest.FixtureRequest, memory: MemoryStore) -> AsyncIterator[ObjectStore]:
    if request.param == "memory":
        yield memory
        return
    azurite: Azurite = request.getfixturevalue("azurite")
    container: str = request.getfixturevalue("container_name")
    store = AzureBlobStore.from_connection_string(azurite.connection_string, container)
    yield store
    await store.close()


def registry_of(store: ObjectStore, caller: str = "") -> Registry:
    return StoredRegistry(store, now=lambda: PUSHED + 0.5).for_caller(caller)


async def push_image(registry: Registry, manifest: bytes = MANIFEST) -> None:
    for content in (CONFIG, BLOB):
        await push_blob(registry, "a", content)
    await push_manifest(registry, "a", "v1", manifest)


async def test_a_push_writes_what_listings_show(store: ObjectStore) -> None:
    await push_image(registry_of(store, "zoë@example.com / CI"))
    manifest = {
        "digest": str(DIGEST),
        "mediatype": media_types.OCI_MANIFEST,
        "size": str(len(MANIFEST)),
    }
    image = {"os": "linux", "architecture": "arm", "variant": "v7", "created": CREATED}
    revision = await store.head(LAYOUT.revision_link("a", DIGEST))
    assert revision.metadata == manifest | image | {
        "artifacttype": "application/vnd.ex%C3%A4mple",
        "contentsize": str(len(MANIFEST) + len(CONFIG) + len(BLOB)),
        "configtype": media_types.OCI_CONFIG,
        "subject": str(Digest.of(SUBJECT)),
        "pushed": str(PUSHED),
        "pushedby": "zo%C3%AB@example.com%20/%20CI",
    }
    for path in (LAYOUT.tag_link("a", "v1"), LAYOUT.tag_index_link("a", "v1", DIGEST)):
        assert (await store.head(path)).metadata == manifest | {"pushed": str(PUSHED)}
    blob = {"mediatype": media_types.OCTET_STREAM}
    config, layer = Digest.of(CONFIG), Digest.of(BLOB)
    found = (await store.head(LAYOUT.blob_link("a", config))).metadata
    assert found == blob | image | {"digest": str(config), "size": str(len(CONFIG))}
    found = (await store.head(LAYOUT.blob_link("a", layer))).metadata
    assert found == blob | {"digest": str(layer), "size": str(len(BLOB))}


async def test_a_listing_shows_it_again_in_one_call(store: ObjectStore) -> None:
    await push_image(registry_of(store, "zoë@example.com / CI"))
    listing = await registry_of(store).list_manifests("a", ALL)
    assert listing.entries == (
        ManifestInfo(
            DIGEST,
            media_types.OCI_MANIFEST,
            len(MANIFEST),
            artifact_type="application/vnd.exämple",
            config_type=media_types.OCI_CONFIG,
            content_size=len(MANIFEST) + len(CONFIG) + len(BLOB),
            image=IMAGE,
            subject=Digest.of(SUBJECT),
            pushed=datetime.fromtimestamp(PUSHED, UTC),
            pushed_by="zoë@example.com / CI",
        ),
    )


@pytest.mark.parametrize("push", WAYS_TO_PUSH)
async def test_any_instance_knows_the_config_that_was_pushed_to_any(
    memory: MemoryStore, push: PushBlob
) -> None:
    await push(registry_of(memory), "a", CONFIG)
    await push_blob(registry_of(memory), "a", BLOB)
    await push_manifest(registry_of(memory), "a", "v1", MANIFEST)
    [info] = (await registry_of(memory).list_manifests("a", ALL)).entries
    assert info.image == IMAGE


async def test_what_is_unknown_is_left_out(memory: MemoryStore) -> None:
    """A config that came in two pieces, the config of an index, the name of an anonymous caller."""
    registry = registry_of(memory)
    upload = await registry.start_upload("a")
    for piece in (CONFIG[:5], CONFIG[5:]):
        upload = await registry.append_upload(upload, chunk(piece))
    await registry.finish_upload(upload, Digest.of(CONFIG), chunk())
    image = image_manifest(config=descriptor(CONFIG, media_types.OCI_CONFIG))
    await push_manifest(registry, "a", Digest.of(image), image)
    index = image_index(image)
    await push_manifest(registry, "a", Digest.of(index), index)
    for content, size in ((image, len(image) + len(CONFIG)), (index, len(index))):
        path = LAYOUT.revision_link("a", Digest.of(content))
        metadata = dict((await memory.head(path)).metadata)
        assert metadata.pop("configtype", None) == (
            media_types.OCI_CONFIG if content is image else None
        )
        assert metadata["contentsize"] == str(size)
        assert metadata.keys() == {"digest", "mediatype", "size", "contentsize", "pushed"}


async def test_what_does_not_fit_is_read_from_the_manifest(store: ObjectStore) -> None:
    long_type = f"application/{'x' * 5000}"
    manifest = image_manifest(
        config=descriptor(CONFIG, long_type), artifactType=long_type, layers=[]
    )
    registry = registry_of(store, "ü" * 2000)
    await push_blob(registry, "a", CONFIG)
    await push_manifest(registry, "a", "v1", manifest)
    [info] = (await registry.list_manifests("a", ALL)).entries
    assert (info.artifact_type, info.config_type, info.pushed_by) == (long_type, long_type, None)
    assert info.pushed == datetime.fromtimestamp(PUSHED, UTC)
    assert (await registry.get_manifest("a", "v1")).content == manifest


async def test_a_blob_that_only_looks_like_a_config_says_nothing_of_the_image(
    memory: MemoryStore,
) -> None:
    registry = registry_of(memory)
    await push_blob(registry, "a", CONFIG)
    manifest = image_manifest(config=descriptor(CONFIG, f"{LAYER}.tar"))
    await push_manifest(registry, "a", "v1", manifest)
    [info] = (await registry.list_manifests("a", ALL)).entries
    assert info.image is None


async def test_a_manifest_that_a_deletion_met_keeps_what_its_link_said(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another instance tags it while it is being deleted, so that it stays."""
    await push_image(registry_of(memory, "first"))
    before = (await memory.head(LAYOUT.revision_link("a", DIGEST))).metadata
    delete = memory.delete

    async def tag_first(path: str, **options: Any) -> None:
        await delete(path, **options)
        if path == LAYOUT.revision_link("a", DIGEST):
            content = memory.objects[LAYOUT.content(DIGEST)].content
            await memory.put(LAYOUT.tag_link("a", "v2"), str(Digest.of(content)).encode())

    monkeypatch.setattr(memory, "delete", tag_first)
    deleted = await registry_of(memory).delete_manifest("a", DIGEST)
    assert deleted.tags == ("v1",)
    assert (await memory.head(LAYOUT.revision_link("a", DIGEST))).metadata == before


async def test_a_config_that_is_known_by_its_sha512_is_read_too(memory: MemoryStore) -> None:
    registry = registry_of(memory)
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(CONFIG))
    digest = Digest.of(CONFIG, SHA512)
    await registry.finish_upload(upload, digest, chunk())
    config = descriptor(CONFIG, media_types.OCI_CONFIG) | {"digest": str(digest)}
    await push_manifest(registry, "a", "v1", image_manifest(config=config))
    [info] = (await registry.list_manifests("a", ALL)).entries
    assert info.image == IMAGE


@pytest.mark.parametrize("length", [6_800, 6_900, 7_100, 2_000_000])
async def test_a_manifest_is_read_where_its_link_has_no_room(
    memory: MemoryStore, length: int
) -> None:
    """The subject, which decides what may be deleted, is listed in any case."""
    registry = StoredRegistry(memory)
    artifact_type = "x" * length
    for content in (BLOB, CONFIG):
        await push_blob(registry, "a", content)
    manifest = image_manifest(
        BLOB,
        config=descriptor(CONFIG, media_types.OCI_CONFIG),
        subject=descriptor(SUBJECT, media_types.OCI_MANIFEST),
        artifactType=artifact_type,
    )
    await push_manifest(registry, "a", "v1", manifest)
    link = memory.objects[LAYOUT.revision_link("a", Digest.of(manifest))].properties.metadata
    assert sum(len(name) + len(value) for name, value in link.items()) < 8 * 2**10
    assert link["subject"] == str(Digest.of(SUBJECT))
    [info] = (await registry.list_manifests("a", ALL)).entries
    assert (info.artifact_type, info.subject) == (artifact_type, Digest.of(SUBJECT))


def test_other_threads_may_run_while_a_long_descriptor_of_a_referrer_is_read() -> None:
    """Whoever may pull can request it again and again."""
    steps = 0

    def count(_frame: FrameType, event: str, called: object) -> None:
        nonlocal steps
        steps += event == "c_call" and called is scanstring

    annotations = {f"key-{number}": "x" * 300 for number in range(5000)}
    digest = Digest.of(b"a referrer")
    content = to_text(Descriptor("a/b", digest, 1, annotations=annotations).to_json()).encode()
    sys.setprofile(count)
    try:
        referrer = parse_referrer(digest, content)
    finally:
        sys.setprofile(None)
    assert referrer.annotations == annotations
    assert steps > 2 * len(annotations)
