"""What the doctor says of what was deleted, of what is condemned, and of damaged records."""

from __future__ import annotations

import pytest

from registry_core.cli.doctor import render
from registry_core.maintenance.doctor import Problem
from registry_core.object_store.interface import if_match
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.condemnation import condemn, is_condemned
from registry_core.storage.layout import Layout
from registry_core.storage.layout_parse import Kind
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.storage.trash import Trash
from tests.maintenance.examining import examine_store, expect_problems
from tests.support.content import CONFIG, image_manifest, push_image

pytestmark = pytest.mark.anyio

LAYER = b"a layer"
LAYOUT = Layout()
MANIFEST = Digest.of(image_manifest(LAYER))


async def record_path(memory: MemoryStore) -> str:
    [entry] = [entry async for entry in Trash(memory, LAYOUT).list()]
    return LAYOUT.trashed(entry.id)


async def delete_links(memory: MemoryStore) -> None:
    """As a collection of garbage does: content stays without a link."""
    for digest in (Digest.of(LAYER), Digest.of(CONFIG)):
        await memory.delete(LAYOUT.blob_link("a/b", digest))


async def test_what_can_be_restored_does_not_pass_for_unreferenced(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a/b", "v1", [LAYER])
    await registry.delete_manifest("a/b", MANIFEST)
    await delete_links(memory)
    report = await expect_problems(memory)
    assert report.unreferenced.number == 0
    assert report.trashed.number == 3
    assert report.trashed.bytes == len(LAYER) + len(CONFIG) + len(image_manifest(LAYER))
    shown = render(report, "registry", verify=False)
    assert "content that only the trash keeps: 3, " in shown

    await memory.delete(await record_path(memory))
    report = await expect_problems(memory)
    assert (report.unreferenced.number, report.trashed.number) == (3, 0)


async def test_what_is_deleted_here_and_used_there_is_not_counted_as_trash(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    for repository in ("a/b", "c"):
        await push_image(registry, repository, "v1", [LAYER])
    await registry.delete_manifest("a/b", MANIFEST)
    assert (await expect_problems(memory)).trashed.number == 0


async def test_a_damaged_record_is_a_problem_because_it_may_keep_any_content(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a/b", "v1", [LAYER])
    await registry.delete_manifest("a/b", MANIFEST)
    path = await record_path(memory)
    found = await memory.head(path)
    await memory.put(path, b"{", condition=if_match(found.etag))
    report = await expect_problems(memory, Problem.TRASH_UNREADABLE)
    [finding] = report.findings
    assert finding.path == path
    assert finding.message.endswith(f"run trash purge {path.removeprefix(LAYOUT.trash)}")


async def test_what_is_condemned_is_counted_and_is_no_problem(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a/b", "v1", [LAYER])
    for path in (LAYOUT.content(Digest.of(LAYER)), LAYOUT.blob_link("a/b", Digest.of(LAYER))):
        assert await condemn(memory, path, await memory.head(path), "a-run")
    report = await examine_store(memory)
    assert report.remaining == 0
    assert {kind: count.number for kind, count in report.condemned.items()} == {
        Kind.CONTENT: 1,
        Kind.LAYER_LINK: 1,
    }
    assert "condemned by collections of garbage: content 1 (7 bytes), layer links 1 (" in render(
        report, "registry", verify=False
    )
    assert report.to_json()["condemned"] == {
        "content": {"number": 1, "bytes": len(LAYER)},
        "layer_links": {"number": 1, "bytes": 71},
    }


async def test_a_manifest_that_is_linked_again_keeps_what_it_names(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """Nothing names its layers until then: a collection may be about to delete their links."""
    await push_image(registry, "a/b", "v1", [LAYER])
    await memory.delete(LAYOUT.revision_link("a/b", MANIFEST))
    path = LAYOUT.blob_link("a/b", Digest.of(LAYER))
    assert await condemn(memory, path, await memory.head(path), "a-run")

    report = await examine_store(memory, repair=True)

    assert report.repaired
    assert not is_condemned(await memory.head(path))
