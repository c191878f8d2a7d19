"""Tags expire, and with them the manifests that only they led to; pulls keep them."""

from __future__ import annotations

import threading

import pytest

from registry_core.globs import TagGlobs
from registry_core.maintenance.gc.report import Part
from registry_core.maintenance.gc.wanted import Judgement, RetentionJudge
from registry_core.maintenance.retention.policy import NO_POLICY, RetentionPolicy
from registry_core.spec.digest import Digest
from registry_core.storage.condemnation import observe
from registry_core.storage.pulls import encode_pulls
from tests.support.content import image_index

from .images import EXPIRING, UNTAGGED, link_of, push_artifact, push_image
from .scene import DAY, LAYOUT, Scene

pytestmark = pytest.mark.anyio


async def test_a_tag_expires_with_what_only_it_leads_to(scene: Scene) -> None:
    image = await push_image(scene, 1)
    index = image_index(image)
    await scene.push(index, "pr-1")
    signature = await push_artifact(scene, image)
    kept = await push_image(scene, 2, "v1", "pr-2")
    scene.pass_by(7 * DAY)

    report = await scene.collect(policy=EXPIRING)

    paths = scene.paths
    assert LAYOUT.tag_link("a", "pr-1") not in paths
    assert LAYOUT.tag_link("a", "pr-2") not in paths
    assert scene.condemned == {link_of(each) for each in (image, index, signature)}
    assert report.parts[Part.TAGS].deleted == 2
    [reason] = {item.reason for item in report.items if item.part is Part.TAGS}
    assert "after 7d" in reason
    await scene.collect_all(policy=EXPIRING)
    assert not scene.has_any_content([image, index, signature, b"layer 1"])
    assert scene.has_content(kept, b"layer 2")


async def test_a_tag_that_is_set_again_begins_anew(scene: Scene) -> None:
    image = await push_image(scene, 1, "pr-1")
    scene.pass_by(6 * DAY)
    await scene.push(image, "pr-1")
    scene.pass_by(2 * DAY)

    await scene.collect(policy=EXPIRING)

    assert not scene.condemned
    assert LAYOUT.tag_link("a", "pr-1") in scene.paths


async def test_a_tag_waits_until_its_manifest_can_be_condemned(scene: Scene) -> None:
    """Otherwise nobody would know later that the manifest was the tag's."""
    image = await push_image(scene, 1, "pr-1")
    scene.pass_by(7 * DAY)
    found = await scene.store.head(link_of(image))
    await scene.store.set_metadata(link_of(image), found.metadata)

    await scene.collect(policy=EXPIRING)
    at_first = LAYOUT.tag_link("a", "pr-1") in scene.paths
    scene.pass_by(2 * DAY)
    await scene.collect(policy=EXPIRING)

    assert at_first
    assert LAYOUT.tag_link("a", "pr-1") not in scene.paths
    assert scene.condemned == {link_of(image)}


async def test_what_an_expired_tag_led_to_goes_even_if_the_rule_is_gone(scene: Scene) -> None:
    image = await push_image(scene, 1, "pr-1")
    scene.pass_by(7 * DAY)
    await scene.collect(policy=EXPIRING)

    await scene.collect_all(policy=NO_POLICY)

    assert not scene.has_content(image)


async def test_what_is_observed_meanwhile_is_like_any_untagged_manifest(scene: Scene) -> None:
    image = await push_image(scene, 1, "pr-1")
    scene.pass_by(7 * DAY)
    await scene.collect(policy=EXPIRING)
    await observe(scene.store, link_of(image))

    await scene.collect_all(policy=EXPIRING)

    assert scene.has_content(image)


async def test_immutable_tags_never_expire(scene: Scene) -> None:
    await push_image(scene, 1, "pr-1")
    before = scene.paths

    await scene.collect_all(policy=EXPIRING, immutable=TagGlobs(("a:pr-*",)))

    assert scene.paths == before


async def test_an_image_may_wish_to_expire(scene: Scene) -> None:
    image = await push_image(scene, 1, "v1", annotations={"org.moorage.expires-after": "3d"})
    scene.pass_by(3 * DAY)

    await scene.collect()

    assert LAYOUT.tag_link("a", "v1") not in scene.paths
    assert link_of(image) in scene.condemned


async def test_an_image_that_another_registry_has_linked_may_wish_so_too(scene: Scene) -> None:
    image = await push_image(scene, 1, "v1", annotations={"org.moorage.expires-after": "3d"})
    await scene.store.put(link_of(image), str(Digest.of(image)).encode())
    scene.pass_by(3 * DAY)

    await scene.collect()

    assert link_of(image) in scene.condemned


async def test_nothing_expires_in_an_opaque_repository(scene: Scene) -> None:
    await push_image(scene, 1, "pr-1")
    await scene.store.put(LAYOUT.revision_link("a", Digest.of(b"x")), b"sha256:" + b"0" * 64)
    before = scene.paths

    await scene.collect_all(policy=EXPIRING, untagged=UNTAGGED)

    assert scene.paths == before


# Pulls


@pytest.mark.parametrize("pulled", ["by tag", "by digest"])
async def test_what_is_pulled_stays(scene: Scene, pulled: str) -> None:
    """A pull of what an index lists, by digest, counts for the index and its tag."""
    policy = RetentionPolicy.parse(
        '[[keep]]\non = ["**"]\npulled = "5d"\n'
        '[[expire]]\non = ["**"]\ntags = ["pr-*"]\nafter = "7d"\n'
    )
    image = await push_image(scene, 1)
    await scene.push(image_index(image), "pr-1")
    await push_image(scene, 2, "pr-2")
    began = scene.store.now.timestamp()
    scene.pass_by(8 * DAY)
    reference = str(Digest.of(image)) if pulled == "by digest" else "pr-1"
    now = int(scene.store.now.timestamp())
    content = encode_pulls({"a": {reference: now}}, since=int(began))
    await scene.store.put(LAYOUT.pulls_summary, content)

    await scene.collect(policy=policy, pulls_recorded=True)

    assert LAYOUT.tag_link("a", "pr-1") in scene.paths
    assert LAYOUT.tag_link("a", "pr-2") not in scene.paths


@pytest.mark.parametrize("tags, in_thread", [(10, False), (1000, True)])
async def test_many_tags_are_judged_beside_the_event_loop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tags: int, *, in_thread: bool
) -> None:
    """A local server, and an instance on Azure Functions, serve requests meanwhile."""
    image = await push_image(scene, 1)
    for number in range(tags):
        await scene.push(image, f"v{number}")
    threads: list[threading.Thread] = []
    judge = RetentionJudge.judge

    def noting(self: RetentionJudge) -> Judgement:
        threads.append(threading.current_thread())
        return judge(self)

    monkeypatch.setattr(RetentionJudge, "judge", noting)
    await scene.collect(policy=EXPIRING)
    assert [each is not threading.main_thread() for each in threads] == [in_thread]
