"""Where another registry writes, garbage is condemned and nothing that is condemned goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from registry_core.maintenance.gc import GcReport, collect
from registry_core.spec.digest import Digest
from registry_core.storage.condemnation import observe
from tests.maintenance.examining import ignore_progress
from tests.support.content import push_blob

from .scene import DAY, LAYOUT, OPTIONS, Scene

pytestmark = pytest.mark.anyio

BLOB = b"a blob"
LINK = LAYOUT.blob_link("a", Digest.of(BLOB))
THEIRS = Digest.of(b"theirs")

SIGNS = [
    LAYOUT.blob_link("b", THEIRS),
    LAYOUT.revision_link("b", THEIRS),
    LAYOUT.tag_link("b", "v1"),
    LAYOUT.tag_index_link("b", "v1", THEIRS),
    f"{LAYOUT.repository('b')}/_uploads/1/startedat",
]


async def condemn(scene: Scene) -> None:
    await push_blob(scene.registry, "a", BLOB)
    scene.pass_by()
    await scene.collect()
    assert LINK in scene.condemned
    scene.pass_by()


@pytest.mark.parametrize("path", SIGNS)
async def test_a_young_link_of_another_registry_stops_the_sweep(scene: Scene, path: str) -> None:
    await condemn(scene)
    await scene.store.put(path, str(THEIRS).encode())

    report = await scene.collect(shared=None)

    assert LINK in scene.paths
    assert path in report.unswept
    assert "REGISTRY_GC_SHARED to false" in report.unswept


@pytest.mark.parametrize("path", SIGNS)
async def test_an_old_link_of_another_registry_does_not(scene: Scene, path: str) -> None:
    await scene.store.put(path, str(THEIRS).encode())
    await condemn(scene)

    report = await scene.collect(shared=None)

    assert LINK not in scene.paths
    assert not report.unswept


async def test_an_append_blob_is_a_sign(scene: Scene) -> None:
    await condemn(scene)
    await scene.store.append(LAYOUT.blob_link("b", THEIRS), str(THEIRS).encode())

    report = await scene.collect(shared=None)

    assert report.unswept


async def test_the_mark_on_a_link_of_another_registry_is_not_a_sign(scene: Scene) -> None:
    """Nor is the link after it was pardoned: both change its time."""
    other = LAYOUT.blob_link("b", THEIRS)
    await scene.store.put(other, str(THEIRS).encode())
    await push_blob(scene.registry, "a", BLOB)
    scene.pass_by()
    await scene.collect(shared=None)
    assert scene.condemned == {LINK, other}
    scene.pass_by(DAY)
    marked = await scene.collect(shared=None)
    await observe(scene.store, other)
    pardoned = await scene.collect(shared=None)

    assert other not in scene.condemned
    assert not marked.unswept
    assert not pardoned.unswept


async def test_the_setting_decides(scene: Scene) -> None:
    await condemn(scene)
    await scene.store.put(SIGNS[0], str(THEIRS).encode())

    shared = await scene.collect(shared=True)
    before = LINK in scene.paths
    alone = await scene.collect(shared=False)

    assert before
    assert shared.unswept == "REGISTRY_GC_SHARED is true: another registry writes to this container"
    assert not alone.unswept
    assert LINK not in scene.paths


async def test_garbage_is_condemned_all_the_same(scene: Scene) -> None:
    await push_blob(scene.registry, "a", BLOB)
    scene.pass_by()

    await scene.collect(shared=True)

    assert scene.condemned == {LINK}


async def test_what_no_mark_protects_goes_all_the_same(scene: Scene) -> None:
    await scene.store.put(LAYOUT.upload("a", "1"), b"")
    scene.pass_by(timedelta(days=8))

    await scene.collect(shared=True)

    assert not scene.paths


async def test_a_sign_between_two_slices_stops_the_rest(scene: Scene) -> None:
    await condemn(scene)
    await scene.store.put(LAYOUT.content(Digest.of(b"other")), b"other")

    async def slice_of_a_run() -> GcReport:
        options = replace(OPTIONS, shared=None)
        return await collect(
            scene.store, LAYOUT, options, on_progress=ignore_progress, deadline=lambda: True
        )

    await push_blob(scene.registry, "0", b"in the first repository")
    first = await slice_of_a_run()
    await scene.store.put(SIGNS[0], str(THEIRS).encode())
    second = await slice_of_a_run()

    assert not first.unswept
    assert second.unswept
    assert LINK in scene.paths
