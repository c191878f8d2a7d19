"""Untagged manifests go at an age; what a tag leads to stays, and what goes goes in order."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from registry_core.maintenance.gc.report import Action, Part
from registry_core.maintenance.retention.policy import RetentionPolicy
from registry_core.object_store.interface import (
    UNCONDITIONAL,
    Buffer,
    Condition,
    Page,
    if_match,
)
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.storage.condemnation import observe
from tests.support.content import CONFIG, descriptor, image_index, image_manifest

from .images import EXPIRING, UNTAGGED, attached, link_of, push_artifact, push_image
from .scene import DAY, LAYOUT, ClockStore, Scene

pytestmark = pytest.mark.anyio


# Without rules


async def test_untagged_manifests_stay_by_default(scene: Scene) -> None:
    await push_image(scene, 1)
    before = scene.paths

    await scene.collect_all()

    assert scene.paths == before


# Untagged manifests


async def test_untagged_manifests_go_at_the_age_of_the_setting(scene: Scene) -> None:
    manifest = await push_image(scene, 1)
    scene.pass_by(UNTAGGED - timedelta(seconds=1))
    await scene.collect(untagged=UNTAGGED)
    young = scene.condemned
    scene.pass_by(timedelta(seconds=1))

    report = await scene.collect(untagged=UNTAGGED)
    condemned = scene.condemned
    await scene.collect_all(untagged=UNTAGGED)

    assert not young
    assert condemned == {link_of(manifest)}
    [item] = [item for item in report.items if item.part is Part.MANIFESTS]
    assert item.action is Action.CONDEMN
    assert "REGISTRY_GC_UNTAGGED: after 1w" in item.reason
    assert not scene.paths


async def test_a_tag_keeps_all_that_it_leads_to(scene: Scene) -> None:
    images = [await push_image(scene, number) for number in range(2)]
    inner = image_index(images[0])
    await scene.push(inner)
    outer = image_index(
        images[1],
        manifests=[
            descriptor(inner, media_types.OCI_INDEX),
            descriptor(images[1], media_types.OCI_MANIFEST),
        ],
    )
    await scene.push(outer, "v1")
    signature = await push_artifact(scene, images[0])
    of_signature = await push_artifact(scene, signature)
    before = scene.paths
    assert LAYOUT.content(Digest.of(of_signature)) in before

    await scene.collect_all(untagged=UNTAGGED)

    assert scene.paths == before


async def test_an_index_that_is_gone_keeps_nothing(scene: Scene) -> None:
    image = await push_image(scene, 1)
    await scene.push(image_index(image), "v1")
    other = await push_image(scene, 2, "v1")

    await scene.collect_all(untagged=UNTAGGED)

    assert not scene.has_any_content([image, image_index(image), b"layer 1"])
    assert scene.has_content(other, b"layer 2", CONFIG)


async def test_an_untagged_index_that_stays_keeps_its_manifests(scene: Scene) -> None:
    """It was pushed later than what it lists."""
    image = await push_image(scene, 1)
    scene.pass_by(8 * DAY)
    await scene.push(image_index(image))
    scene.pass_by(2 * DAY)

    await scene.collect(untagged=UNTAGGED)

    assert not scene.condemned


async def test_what_an_untagged_index_that_stays_lists_is_kept_from_others(scene: Scene) -> None:
    """Another index, which goes, lists it too, and so did a tag that has expired."""
    image = await push_image(scene, 1, "pr-1")
    gone = image_index(image, annotations={"n": "1"})
    await scene.push(gone)
    scene.pass_by(8 * DAY)
    await scene.push(image_index(image))
    scene.pass_by(2 * DAY)

    await scene.collect(untagged=UNTAGGED, policy=EXPIRING)

    assert scene.condemned == {link_of(gone)}
    assert LAYOUT.tag_link("a", "pr-1") not in scene.paths


async def test_an_untagged_index_is_as_young_as_what_it_lists(scene: Scene) -> None:
    """Somebody has pushed the image again, by its digest, and is about to push another index."""
    image = await push_image(scene, 1)
    await scene.push(image_index(image))
    scene.pass_by(8 * DAY)
    await scene.push(image)
    scene.pass_by(2 * DAY)
    await scene.collect(untagged=UNTAGGED)
    young = scene.condemned
    scene.pass_by(5 * DAY)

    await scene.collect(untagged=UNTAGGED)

    assert not young
    assert scene.condemned == {link_of(image), link_of(image_index(image))}


async def test_what_an_index_lists_is_not_counted_among_the_newest(scene: Scene) -> None:
    policy = RetentionPolicy.parse(
        '[[keep]]\non = ["**"]\nuntagged = true\nnewest = 2\n'
        '[[expire]]\non = ["**"]\nuntagged = true\nafter = "1d"\n'
    )
    indexes = []
    for number in range(3):
        image = await push_image(scene, number)
        indexes.append(image_index(image))
        scene.pass_by(timedelta(hours=1))
        await scene.push(indexes[-1])
    scene.pass_by(2 * DAY)

    await scene.collect(policy=policy)

    assert scene.condemned == {link_of(indexes[0]), link_of(image_manifest(b"layer 0"))}


async def test_a_young_referrer_goes_with_its_untagged_subject(scene: Scene) -> None:
    image = await push_image(scene, 1)
    scene.pass_by(UNTAGGED - 2 * DAY)
    signature = await push_artifact(scene, image)
    scene.pass_by(2 * DAY)

    await scene.collect(untagged=UNTAGGED)

    assert scene.condemned == {link_of(image), link_of(signature)}


async def test_a_referrer_does_not_keep_its_subject(scene: Scene) -> None:
    image = await push_image(scene, 1)
    await push_artifact(scene, image)

    await scene.collect_all(untagged=UNTAGGED)

    assert not scene.paths


async def test_an_untagged_referrer_goes_with_its_subject_only(scene: Scene) -> None:
    image = await push_image(scene, 1, "v1")
    signature = await push_artifact(scene, image)
    await scene.collect_all(untagged=UNTAGGED)
    with_tag = scene.has_content(signature)
    await push_image(scene, 2, "v1")

    await scene.collect_all(untagged=UNTAGGED)

    assert with_tag
    assert not scene.has_any_content([image, signature])


async def test_a_referrer_of_what_is_not_there_is_like_any_untagged_manifest(scene: Scene) -> None:
    signature = await push_artifact(scene, b"{}")
    await scene.collect_all()
    without = scene.has_content(signature)

    await scene.collect_all(untagged=UNTAGGED)

    assert without
    assert not scene.has_content(signature)


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".anything"])
async def test_tags_that_name_a_subject_live_and_die_with_it(scene: Scene, suffix: str) -> None:
    image = await push_image(scene, 1, "v1")
    signature = await push_image(scene, 2, attached(image, suffix))
    await scene.collect_all(untagged=UNTAGGED)
    with_subject = scene.has_content(signature)
    await push_image(scene, 3, "v1")

    await scene.collect_all(untagged=UNTAGGED)

    assert with_subject
    assert not scene.has_any_content([image, signature, b"layer 2"])
    assert LAYOUT.tag_link("a", attached(image, suffix)) not in scene.store.objects


async def test_a_tag_that_names_a_subject_which_is_gone_is_like_no_tag(scene: Scene) -> None:
    image = await push_image(scene, 1, "v1")
    of_image = await push_image(scene, 2, attached(image))
    of_another = await push_image(scene, 3, attached(b"deleted before"))
    await scene.collect_all()
    without = scene.has_content(of_another)

    await scene.collect_all(untagged=UNTAGGED)

    assert without
    assert scene.has_content(image, of_image)
    assert not scene.has_any_content([of_another])


async def test_signatures_in_a_repository_of_their_own_stay(scene: Scene) -> None:
    """As cosign puts them with ``COSIGN_REPOSITORY``: no subject is here."""
    await push_image(scene, 1, attached(b"elsewhere"))
    await push_image(scene, 2, attached(b"elsewhere as well", ".att"))
    before = scene.paths

    await scene.collect_all(untagged=UNTAGGED)

    assert scene.paths == before


async def test_the_list_of_referrers_that_a_tag_stands_in_for_keeps_them(scene: Scene) -> None:
    """The tag schema of registries without a referrers API, moved here by a copy."""
    image = await push_image(scene, 1, "v1")
    signature = await push_image(scene, 2)
    await scene.push(image_index(signature), attached(image, ""))
    before = scene.paths

    await scene.collect_all(untagged=UNTAGGED)

    assert scene.paths == before


async def test_a_push_that_needs_a_condemned_manifest_keeps_it(scene: Scene) -> None:
    image = await push_image(scene, 1)
    scene.pass_by(UNTAGGED)
    await scene.collect(untagged=UNTAGGED)
    assert link_of(image) in scene.condemned
    await scene.push(image_index(image), "v1", instance=scene.instance())

    await scene.collect_all(untagged=UNTAGGED)

    assert scene.has_content(image, b"layer 1")


async def test_a_manifest_that_is_wanted_again_is_pardoned(scene: Scene) -> None:
    image = await push_image(scene, 1)
    scene.pass_by(UNTAGGED)
    await scene.collect(untagged=UNTAGGED)

    report = await scene.collect()

    assert not scene.condemned
    assert report.parts[Part.MANIFESTS].pardoned == 1
    assert [item.reason for item in report.items] == ["it is not garbage any more"]
    assert scene.has_content(image)


async def test_a_tag_without_a_current_link_keeps_its_newest_manifest(scene: Scene) -> None:
    for number in range(2):
        await push_image(scene, number, "v1")
        scene.pass_by()
    await scene.store.delete(LAYOUT.tag_link("a", "v1"))

    await scene.collect_all(untagged=UNTAGGED)

    assert scene.has_content(b"layer 1")
    assert not scene.has_content(b"layer 0")


# Order, and what happens at the same time


async def test_an_index_goes_before_what_it_lists_and_a_subject_before_its_referrer(
    scene: Scene,
) -> None:
    image = await push_image(scene, 1)
    index = image_index(image)
    await scene.push(index)
    signature = await push_artifact(scene, index)
    scene.pass_by(UNTAGGED)
    await scene.collect(untagged=UNTAGGED)
    scene.pass_by()

    report = await scene.collect(untagged=UNTAGGED)

    deleted = [item.path for item in report.items if item.part is Part.MANIFESTS]
    assert deleted == [
        link_of(index),
        *sorted([link_of(signature), link_of(image)]),
    ]


@pytest.mark.parametrize("layers", [1, 2, 3])
async def test_what_belongs_to_a_manifest_stays_if_that_is_pushed_again_meanwhile(
    scene: Scene, layers: int
) -> None:
    """Whoever tags an image relies on its signature, too, and does not look at that."""
    image = await push_image(scene, layers)
    index = image_index(image)
    await scene.push(index)
    signatures = [await push_artifact(scene, each) for each in (index, image)]
    scene.pass_by(UNTAGGED)
    await scene.collect(untagged=UNTAGGED)
    scene.pass_by()

    class TaggedMeanwhile(ClockStore):
        """Runs a push right before the first manifest is deleted."""

        is_tagged = False

        async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
            if "/revisions/" in path and not self.is_tagged:
                self.is_tagged = True
                await scene.push(index, "v1")
            await super().delete(path, condition=condition)

    store = TaggedMeanwhile(**vars(scene.store))
    scene.store = store
    await scene.collect(untagged=UNTAGGED)

    assert store.is_tagged
    assert {link_of(each) for each in (index, image, *signatures)} <= scene.paths


async def test_what_an_index_lists_waits_for_the_index(scene: Scene) -> None:
    """The index was condemned later, so it goes later."""
    image = await push_image(scene, 1)
    scene.pass_by(UNTAGGED)
    await scene.collect(untagged=UNTAGGED)
    condemned = (await scene.store.head(link_of(image))).metadata
    index = image_index(image)
    await scene.push(index)
    scene.pass_by(UNTAGGED)
    await scene.store.set_metadata(link_of(image), condemned)  # as if the push had not looked
    scene.pass_by(3 * DAY)
    await scene.collect(untagged=UNTAGGED)

    report = await scene.collect(untagged=UNTAGGED)

    assert scene.condemned >= {link_of(image), link_of(index)}
    assert report.parts[Part.MANIFESTS].waiting == 1


async def test_an_index_waits_until_what_it_lists_is_condemned(scene: Scene) -> None:
    """Otherwise that would be taken for a manifest that nobody ever tagged."""
    image = await push_image(scene, 1)
    index = image_index(image)
    await scene.push(index, "pr-1")
    scene.pass_by(7 * DAY)
    await scene.collect(policy=EXPIRING)
    scene.pass_by()
    await observe(scene.store, link_of(image))

    await scene.collect(policy=EXPIRING)
    waits = link_of(index) in scene.condemned
    await scene.collect_all(policy=EXPIRING)

    assert waits
    assert not scene.has_any_content([image, index])


async def test_a_deletion_under_way_is_completed_if_the_run_is_cancelled(scene: Scene) -> None:
    image = await push_image(scene, 1)
    scene.pass_by(UNTAGGED)
    await scene.collect(untagged=UNTAGGED)
    scene.pass_by()

    class Cancelling(ClockStore):
        async def put(self, path: str, content: Buffer, **arguments: Any) -> str:
            if path.startswith(LAYOUT.trash):
                task.cancel()
                for _ in range(10):
                    await asyncio.sleep(0)
            return await super().put(path, content, **arguments)

    store = Cancelling(scene.store.objects, now=scene.store.now)
    task = asyncio.ensure_future(scene.collect(store, untagged=UNTAGGED))
    with pytest.raises(asyncio.CancelledError):
        await task

    assert link_of(image) not in scene.paths
    assert LAYOUT.catalog_marker("a") not in scene.paths


async def test_what_an_index_lists_stays_if_the_index_is_wanted_again_during_the_run(
    scene: Scene,
) -> None:
    image = await push_image(scene, 1)
    index = image_index(image)
    await scene.push(index)
    scene.pass_by(UNTAGGED)
    await scene.collect(untagged=UNTAGGED)
    scene.pass_by()

    class Pardoning(ClockStore):
        async def list_page(self, prefix: str, **arguments: Any) -> Page:
            page = await super().list_page(prefix, **arguments)
            if prefix == LAYOUT.revisions("a"):
                await observe(self, link_of(index))
            return page

    store = Pardoning(scene.store.objects, now=scene.store.now)
    await scene.collect(store, untagged=UNTAGGED)

    assert {link_of(index), link_of(image)} <= scene.paths


async def test_a_deletion_leaves_a_record_with_the_reason(scene: Scene) -> None:
    await push_image(scene, 1)
    scene.pass_by(UNTAGGED)
    await scene.collect(untagged=UNTAGGED)
    scene.pass_by()
    await scene.collect(untagged=UNTAGGED)

    [record] = [path for path in scene.store.objects if path.startswith(LAYOUT.trash)]
    document = json.loads((await scene.store.get(record, limit=10_000)).content)
    assert document["kind"] == "manifest"
    assert "REGISTRY_GC_UNTAGGED" in document["reason"]


async def test_a_tag_that_is_moved_during_the_run_stays(scene: Scene) -> None:
    """The run deletes it on the condition of the link that it has listed."""
    await push_image(scene, 1, "pr-1")
    scene.pass_by(7 * DAY)
    path = LAYOUT.tag_link("a", "pr-1")
    listed = await scene.store.head(path)
    await scene.store.set_metadata(path, listed.metadata, condition=if_match(listed.etag))

    gone = await scene.registry.deletions.expire_tag("a", "pr-1", listed.etag, "reason")

    assert not gone
    assert path in scene.paths
