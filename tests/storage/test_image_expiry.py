"""The expiry that an image asks for: recorded in links at its push, without a call more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.image_config import ImageConfig
from registry_core.storage.layout import Layout
from registry_core.storage.link_metadata import is_attestation, read_expiry
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    WAYS_TO_PUSH,
    PushBlob,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_manifest,
)

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
OURS, QUAYS = "org.moorage.expires-after", "quay.expires-after"


def config_of(**labels: str) -> bytes:
    document = {"os": "linux", "config": {"Labels": {QUAYS: "2w", **labels}}}
    return json.dumps(document).encode()


CONFIG = config_of()


def manifest_of(config: bytes = CONFIG, **fields: object) -> bytes:
    return image_manifest(config=descriptor(config, media_types.OCI_CONFIG), layers=[], **fields)


async def metadata_of(store: MemoryStore, manifest: bytes) -> Mapping[str, str]:
    return (await store.head(LAYOUT.revision_link("a", Digest.of(manifest)))).metadata


@pytest.mark.parametrize(
    "annotations, expiry",
    [
        ({}, "2w"),
        ({"other": "1d"}, "2w"),
        ({QUAYS: "1d"}, "1d"),
        ({QUAYS: "1d", OURS: "3d"}, "3d"),
        ({OURS: "never"}, "2w"),
    ],
)
async def test_an_annotation_of_the_manifest_has_precedence_over_a_label(
    memory: MemoryStore, annotations: Mapping[str, str], expiry: str
) -> None:
    registry = StoredRegistry(memory)
    await push_blob(registry, "a", CONFIG)
    manifest = manifest_of(annotations=annotations)
    await push_manifest(registry, "a", "v1", manifest)
    assert (await metadata_of(memory, manifest))["expiresafter"] == expiry


@pytest.mark.parametrize("push", WAYS_TO_PUSH)
async def test_a_label_is_known_to_the_instance_that_takes_the_manifest(
    memory: MemoryStore, push: PushBlob
) -> None:
    await push(StoredRegistry(memory), "a", CONFIG)
    manifest = manifest_of()
    await push_manifest(StoredRegistry(memory), "a", "v1", manifest)
    assert (await metadata_of(memory, manifest))["expiresafter"] == "2w"


async def test_an_index_has_its_own_annotation(memory: MemoryStore) -> None:
    registry = StoredRegistry(memory)
    await push_blob(registry, "a", CONFIG)
    image = manifest_of()
    await push_manifest(registry, "a", Digest.of(image), image)
    plain, annotated = image_index(image), image_index(image, annotations={QUAYS: "5d"})
    for index in (plain, annotated):
        await push_manifest(registry, "a", Digest.of(index), index)
    assert "expiresafter" not in await metadata_of(memory, plain)
    assert (await metadata_of(memory, annotated))["expiresafter"] == "5d"
    infos = {each.digest: each for each in (await registry.list_manifests("a", ALL)).entries}
    assert infos[Digest.of(annotated)].image is None


async def test_an_annotation_is_not_shown_as_a_part_of_the_config(memory: MemoryStore) -> None:
    registry = StoredRegistry(memory)
    await push_blob(registry, "a", CONFIG)
    await push_manifest(registry, "a", "v1", manifest_of(annotations={OURS: "3d"}))
    [info] = (await registry.list_manifests("a", ALL)).entries
    assert info.image == ImageConfig("linux")


@pytest.mark.parametrize("value", ["never", "", "0", "\u0001", "x" * 5000])
async def test_a_value_that_is_not_a_duration_does_not_break_a_push(
    memory: MemoryStore, value: str
) -> None:
    registry = StoredRegistry(memory)
    config = config_of(**{QUAYS: value})
    await push_blob(registry, "a", config)
    manifest = manifest_of(config, annotations={OURS: value})
    await push_manifest(registry, "a", "v1", manifest)
    assert "expiresafter" not in await metadata_of(memory, manifest)


async def test_it_is_recorded_where_little_room_is_left(memory: MemoryStore) -> None:
    registry = StoredRegistry(memory)
    await push_blob(registry, "a", CONFIG)
    manifest = manifest_of(artifactType="x" * 7_100)
    await push_manifest(registry, "a", "v1", manifest)
    metadata = await metadata_of(memory, manifest)
    assert (metadata["partial"], metadata["expiresafter"]) == ("1", "2w")


def test_the_annotations_count_where_the_link_says_nothing() -> None:
    assert read_expiry({"expiresafter": "2d"}, {OURS: "9d"}) == timedelta(2)
    assert read_expiry({}, {OURS: "9d"}) == timedelta(9)
    assert read_expiry({}, {OURS: "?"}) is None
    assert read_expiry({}) is read_expiry({}, None) is None
    assert read_expiry({"expiresafter": "torn"}) is None


def test_an_attestation_has_an_unknown_platform() -> None:
    assert is_attestation({"os": "unknown", "architecture": "unknown"})
    assert not is_attestation({"os": "linux"})
    assert not is_attestation({})
