"""A repository's layer links stay as long as one of its manifests names them, in whatever way."""

from __future__ import annotations

import json

import pytest

from registry_core.maintenance.gc.report import Part
from registry_core.object_store.errors import StoreRefused
from registry_core.object_store.interface import UNCONDITIONAL, Condition, StoredObject
from registry_core.spec.digest import Digest
from registry_core.spec.manifest import MAX_MANIFEST_BYTES
from tests.support.content import (
    CONFIG,
    LAYER,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
)

from .scene import LAYOUT, ClockStore, Scene

pytestmark = pytest.mark.anyio

BLOB = b"a blob"
DIGEST = Digest.of(BLOB)
PATH = LAYOUT.blob_link("a", DIGEST)


async def link_manifest(scene: Scene, content: bytes, repository: str = "a") -> Digest:
    """Make content a manifest of the repository, as other registries do: whatever it is."""
    digest = Digest.of(content)
    await scene.store.put(LAYOUT.content(digest), content)
    await scene.store.put(LAYOUT.revision_link(repository, digest), str(digest).encode())
    return digest


async def test_a_blob_without_a_manifest_goes(scene: Scene) -> None:
    await push_blob(scene.registry, "a", BLOB)
    await push_image(scene.registry, "a", "v1", [b"wanted"])

    await scene.collect_all()

    assert PATH not in scene.store.objects
    assert not scene.has_content(BLOB)
    assert scene.has_content(b"wanted", CONFIG)


async def test_a_manifest_of_another_repository_keeps_no_link(scene: Scene) -> None:
    await push_blob(scene.registry, "a", BLOB)
    await push_image(scene.registry, "b", "v1", [BLOB])

    await scene.collect_all()

    assert PATH not in scene.store.objects
    assert LAYOUT.blob_link("b", DIGEST) in scene.store.objects
    assert scene.has_content(BLOB)


@pytest.mark.parametrize(
    "document",
    [
        image_index(manifests=[descriptor(BLOB, f"{LAYER}.tar+gzip")]),
        json.dumps({"schemaVersion": 1, "fsLayers": [{"blobSum": str(DIGEST)}]}).encode(),
        json.dumps({"history": [{"v1Compatibility": json.dumps({"id": str(DIGEST)})}]}).encode(),
        json.dumps({"mediaType": "application/vnd.unknown", "x": {str(DIGEST): []}}).encode(),
        json.dumps([str(DIGEST)]).encode(),
        f'{{"layers": ["{DIGEST}"], "layers": []}}'.encode(),
        json.dumps({"subject": descriptor(BLOB)}).encode(),
        json.dumps({"annotations": {"base": f"example.com/x@{DIGEST}"}}).encode(),
    ],
    ids=["buildkit", "schema 1", "history", "unknown", "list", "twice", "subject", "annotation"],
)
async def test_whatever_names_a_blob_keeps_it(scene: Scene, document: bytes) -> None:
    await push_blob(scene.registry, "a", BLOB)
    await link_manifest(scene, document)

    await scene.collect_all()

    assert PATH in scene.store.objects
    assert scene.has_content(BLOB, document)


async def test_a_manifest_with_a_number_that_cannot_be_parsed_keeps_what_it_names(
    scene: Scene,
) -> None:
    await push_blob(scene.registry, "a", BLOB)
    fields = '"annotations": {"org.moorage.expires-after": "3d"}'
    await link_manifest(scene, f'{{"x": "{DIGEST}", "y": {"9" * 5000}, {fields}}}'.encode())

    await scene.collect_all()

    assert PATH in scene.store.objects


async def test_an_index_without_its_children_keeps_itself(scene: Scene) -> None:
    """A sparse index, which names manifests that the repository does not have."""
    index = image_index(image_manifest(b"elsewhere"))
    await link_manifest(scene, index)

    await scene.collect_all()

    assert scene.has_content(index)


async def test_what_a_condemned_manifest_names_stays(scene: Scene) -> None:
    digest = (await push_image(scene.registry, "a", "v1", [BLOB])).digest
    path = LAYOUT.revision_link("a", digest)
    found = await scene.store.head(path)
    await scene.store.set_metadata(path, {**found.metadata, "condemned": "x"})
    scene.pass_by()

    await scene.collect()

    assert not scene.condemned & {PATH}


@pytest.mark.parametrize(
    "content",
    [b"no json", b"", b"{" * 100_000, b'"' + b"x" * MAX_MANIFEST_BYTES + b'"'],
    ids=["text", "empty", "deep", "large"],
)
async def test_a_manifest_that_cannot_be_understood_keeps_its_repository(
    scene: Scene, content: bytes
) -> None:
    digest = await link_manifest(scene, content)
    for repository in ("a", "b"):
        await push_blob(scene.registry, repository, BLOB)
    scene.pass_by()

    report = await scene.collect()

    assert scene.condemned == {LAYOUT.blob_link("b", DIGEST)}
    assert str(digest) in report.opaque["a"]


async def test_a_manifest_that_is_missing_or_damaged_keeps_its_repository(scene: Scene) -> None:
    missing = await link_manifest(scene, b"{}")
    await scene.store.delete(LAYOUT.content(missing))
    damaged = await link_manifest(scene, b'{"a": 1}', "b")
    await scene.store.put(LAYOUT.content(damaged), b'{"a": 2}')
    for repository in ("a", "b"):
        await push_blob(scene.registry, repository, BLOB)
    scene.pass_by()

    report = await scene.collect()

    assert not scene.condemned
    assert "is missing" in report.opaque["a"]
    assert "is damaged" in report.opaque["b"]


async def test_a_repository_that_becomes_opaque_loses_nothing_that_is_condemned(
    scene: Scene,
) -> None:
    await push_blob(scene.registry, "a", BLOB)
    scene.pass_by()
    await scene.collect()
    assert scene.condemned == {PATH}
    await link_manifest(scene, b"no json")

    for _ in range(3):
        scene.pass_by()
        await scene.collect()

    assert PATH in scene.store.objects


async def test_what_a_tag_leads_to_stays_without_a_revision_link(scene: Scene) -> None:
    """As another registry may leave it. The tag can be pulled, and doctor brings the link back."""
    pushed = await push_image(scene.registry, "a", "v1", [BLOB])
    await push_image(scene.registry, "a", "v2", [b"another"])
    await scene.store.delete(LAYOUT.revision_link("a", pushed.digest))
    before = scene.paths

    await scene.collect_all()

    assert scene.paths == before
    assert "tag v1" in (await scene.collect()).opaque["a"]


async def test_a_tag_whose_manifest_is_gone_for_good_keeps_nothing(scene: Scene) -> None:
    pushed = await push_image(scene.registry, "a", "v1", [BLOB])
    await scene.store.delete(LAYOUT.revision_link("a", pushed.digest))
    await scene.store.delete(LAYOUT.content(pushed.digest))

    await scene.collect_all()

    assert not scene.has_any_content([BLOB, CONFIG])


@pytest.mark.parametrize("name", ["revisions/sha384/00/link", "tags/v1/something", "odd"])
async def test_unknown_objects_among_manifests_keep_their_repository(
    scene: Scene, name: str
) -> None:
    await push_blob(scene.registry, "a", BLOB)
    path = f"{LAYOUT.manifests('a')}{name}"
    await scene.store.put(path, str(DIGEST).encode())
    scene.pass_by()

    report = await scene.collect()

    assert not scene.condemned
    assert path in report.opaque["a"]


async def test_what_an_alias_leads_to_stays(scene: Scene) -> None:
    """CNCF distribution keeps a blob that was pushed by its sha512 under its sha256."""
    alias = Digest.of(BLOB, "sha512")
    await push_blob(scene.registry, "a", BLOB)
    await scene.store.put(LAYOUT.blob_link("a", alias), str(DIGEST).encode())
    await link_manifest(scene, json.dumps({"layers": [str(alias)]}).encode())

    await scene.collect_all()

    assert {PATH, LAYOUT.blob_link("a", alias)} <= scene.paths
    assert scene.has_content(BLOB)


async def test_a_manifest_may_have_a_sha512(scene: Scene) -> None:
    for content in (CONFIG, BLOB):
        await push_blob(scene.registry, "a", content)
    manifest = image_manifest(BLOB)
    await push_manifest(scene.registry, "a", Digest.of(manifest, "sha512"), manifest, tags=["v1"])
    before = scene.paths

    await scene.collect_all()

    assert scene.paths == before


async def test_a_manifest_may_be_an_alias(scene: Scene) -> None:
    """A revision link by sha512 leads to the content under its sha256."""
    manifest = image_manifest(BLOB)
    await push_blob(scene.registry, "a", BLOB)
    await scene.store.put(LAYOUT.content(Digest.of(manifest)), manifest)
    link = LAYOUT.revision_link("a", Digest.of(manifest, "sha512"))
    await scene.store.put(link, str(Digest.of(manifest)).encode())

    await scene.collect_all()

    assert PATH in scene.store.objects
    assert scene.has_content(BLOB, manifest)


async def test_a_manifest_that_is_linked_as_a_blob_too_stays_so(scene: Scene) -> None:
    digest = await link_manifest(scene, b"{}")
    path = LAYOUT.blob_link("a", digest)
    await scene.store.put(path, str(digest).encode())

    await scene.collect_all()

    assert path in scene.store.objects


async def test_a_condemned_link_that_a_manifest_names_is_pardoned(scene: Scene) -> None:
    await push_image(scene.registry, "a", "v1", [BLOB])
    found = await scene.store.head(PATH)
    await scene.store.set_metadata(PATH, {**found.metadata, "condemned": "x"})
    scene.pass_by()

    report = await scene.collect()

    assert not scene.condemned
    assert report.parts[Part.LAYER_LINKS].pardoned == 1


async def test_links_of_another_registry_are_condemned_with_their_digest(scene: Scene) -> None:
    """Otherwise they would look as if that registry had written them when they were pardoned."""
    await push_blob(scene.registry, "a", b"ours")
    await scene.store.put(PATH, str(DIGEST).encode())
    scene.pass_by()

    await scene.collect()

    assert (await scene.store.head(PATH)).metadata["digest"] == str(DIGEST)


class ArchivedStore(ClockStore):
    """A store in which one object is archived."""

    archived = ""

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        if path == self.archived:
            raise StoreRefused(f"{path} is archived")
        return await super().get(path, limit=limit, condition=condition)


async def test_a_manifest_that_storage_does_not_give_out_keeps_its_repository() -> None:
    store = ArchivedStore()
    scene = Scene(store)
    store.archived = LAYOUT.content(await link_manifest(scene, b"{}"))
    await push_blob(scene.registry, "a", BLOB)
    scene.pass_by()

    report = await scene.collect()

    assert not scene.condemned
    assert "is archived" in report.opaque["a"]
