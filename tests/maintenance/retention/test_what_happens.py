"""Retention by the collection of garbage: what a preview shows is what then happens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from registry_core.maintenance.gc.report import GcReport, Part
from registry_core.maintenance.retention import NO_POLICY, RetentionPolicy
from registry_core.maintenance.retention.preview import NotingPolicy, RepositoryPreview
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.storage.pulls import encode_pulls
from tests.maintenance.gc.scene import DAY, LAYOUT, Scene
from tests.support.content import descriptor, image_index, image_manifest, push_blob

pytestmark = pytest.mark.anyio

OURS, QUAYS = "org.moorage.expires-after", "quay.expires-after"
RULES = RetentionPolicy.parse("""\
[[keep]]
on = ["team/**"]
tags = ["v*"]
newest = 2
[[keep]]
on = ["**"]
tags = ["latest"]
always = true
[[expire]]
on = ["team/**", "ci/*"]
tags = ["*"]
after = "30d"
[[expire]]
on = ["ci/*"]
untagged = true
after = "10d"
""")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def config_of(labels: Mapping[str, str], **fields: object) -> bytes:
    return json.dumps({"os": "linux", "config": {"Labels": labels}, **fields}).encode()


async def push(scene: Scene, repository: str, config: bytes, *tags: str, **fields: object) -> bytes:
    """Push an image of a config and no layers."""
    await push_blob(scene.registry, repository, config)
    of = descriptor(config, media_types.OCI_CONFIG)
    manifest = image_manifest(config=of, layers=[], **fields)
    await scene.push(manifest, *tags, repository=repository)
    return manifest


def tags_in(scene: Scene) -> set[str]:
    """Return all tags, with their repositories."""
    prefix, suffix = LAYOUT.repository(""), "/current/link"
    paths = (path.removeprefix(prefix) for path in scene.store.objects if path.endswith(suffix))
    return {path.removesuffix(suffix).replace("/_manifests/tags/", ":") for path in paths}


async def preview(
    scene: Scene, policy: RetentionPolicy
) -> tuple[Mapping[str, RepositoryPreview], GcReport]:
    noting = NotingPolicy.of(policy)
    report = await scene.collect(policy=noting, dry_run=True)
    return noting.noted, report


async def fill(scene: Scene) -> None:
    """Push images on many days, with tags that move, indexes, referrers and signatures.

    Pulls have been recorded all the time, and there were none.
    """
    await scene.store.put(LAYOUT.pulls_summary, encode_pulls({}, since=0))
    for day in range(50):
        for repository in ("team/app", "ci/app", "other"):
            config = config_of(
                {QUAYS: "3d"} if day % 11 == 0 else {}, created=f"{day} {repository}"
            )
            tags = [f"v{day}", f"pr-{day % 7}", "latest"][: day % 4]
            image = await push(scene, repository, config, *tags)
            if day % 5 == 0:
                index = image_index(image, annotations={OURS: "90d"})
                await scene.push(index, f"v{day}-all", repository=repository)
                await push(
                    scene,
                    repository,
                    config_of({}, created=f"signature {day}"),
                    subject=descriptor(image, media_types.OCI_MANIFEST),
                )
            if day % 6 == 0:
                signed = f"sha256-{Digest.of(image).hex}.sig"
                await push(scene, repository, config_of({}, created=f"signs {day}"), signed)
        scene.pass_by(DAY)


async def test_a_preview_shows_what_then_happens(scene: Scene) -> None:
    scene.options = replace(scene.options, policy=RULES)
    await fill(scene)
    objects = dict(scene.store.objects)

    noted, planned = await preview(scene, RULES)
    unchanged = scene.store.objects == objects
    report = await scene.collect()

    assert unchanged
    shown = {f"{name}:{each.subject}" for name in noted for each in noted[name].tags.expired}
    gone = {path for path in objects if path.endswith("/current/link")} - scene.paths
    assert shown
    assert {f":{tag}" for tag in shown} == {tag_of(path) for path in gone if not is_signature(path)}
    for part in (Part.TAGS, Part.MANIFESTS):
        assert report.parts[part] == planned.parts[part]
    untagged = {
        LAYOUT.revision_link(name, Digest.parse(each.subject))
        for name, found in noted.items()
        for each in found.untagged.expired
    }
    assert untagged
    assert untagged <= scene.condemned


def tag_of(path: str) -> str:
    path = path.removeprefix(LAYOUT.repository("")).removesuffix("/current/link")
    return ":" + path.replace("/_manifests/tags/", ":")


def is_signature(path: str) -> bool:
    return "/tags/sha256-" in path


async def test_what_is_kept_stays_for_ever(scene: Scene) -> None:
    scene.options = replace(scene.options, policy=RULES)
    await fill(scene)
    scene.pass_by(100 * DAY)
    noted, _ = await preview(scene, RULES)
    kept = {f"{name}:{each.subject}" for name in noted for each in noted[name].tags.kept}
    assert kept

    await scene.collect_all()

    stays = {tag for tag in tags_in(scene) if "sha256-" not in tag}
    assert kept <= stays
    assert {tag for tag in stays - kept if not tag.startswith("other:")} == set()


async def test_a_tag_waits_for_what_it_points_to(scene: Scene) -> None:
    """What is young cannot be condemned, and the preview counts the tag."""
    policy = RetentionPolicy.parse('[[expire]]\non = ["**"]\ntags = ["*"]\nafter = "0"\n')
    await push(scene, "a", config_of({}), "v1")
    scene.pass_by(timedelta(hours=1))

    noted, planned = await preview(scene, policy)
    await scene.collect(policy=policy)

    assert [each.subject for each in noted["a"].tags.expired] == ["v1"]
    assert planned.parts[Part.TAGS].deleted == 0
    assert tags_in(scene) == {"a:v1"}
    scene.pass_by(DAY)
    await scene.collect(policy=policy)
    assert tags_in(scene) == set()


async def test_an_image_with_a_label_expires_by_itself(scene: Scene) -> None:
    await push(scene, "a", config_of({QUAYS: "3d"}), "pr-1")
    await push(scene, "a", config_of({}), "v1")
    scene.pass_by(3 * DAY - timedelta(seconds=1))
    await scene.collect(policy=NO_POLICY)
    before = tags_in(scene)
    scene.pass_by(timedelta(seconds=1))

    await scene.collect(policy=NO_POLICY)

    assert before == {"a:pr-1", "a:v1"}
    assert tags_in(scene) == {"a:v1"}


@pytest.mark.parametrize(
    "labels, annotations, days",
    [
        ([{QUAYS: "3d"}], {}, 3),
        ([{QUAYS: "3d"}, {OURS: "4d"}], {}, 4),
        ([{QUAYS: "3d"}, {}], {}, None),
        ([{QUAYS: "3d"}], {QUAYS: "5d"}, 5),
        ([{}], {OURS: "5d"}, 5),
    ],
)
async def test_an_index_expires_by_its_annotation_or_with_its_images(
    scene: Scene, labels: list[Mapping[str, str]], annotations: Mapping[str, str], days: int | None
) -> None:
    """Attestations, which BuildKit adds, do not matter."""
    configs = [config_of(each, created=str(number)) for number, each in enumerate(labels)]
    images = [await push(scene, "a", config) for config in configs]
    attestation = config_of({}, os="unknown", architecture="unknown")
    images.append(await push(scene, "a", attestation))
    index = image_index(*images, annotations=annotations)
    await scene.push(index, "pr-1")
    policy = RetentionPolicy()
    scene.pass_by((days or 900) * DAY - timedelta(seconds=1))
    await scene.collect(policy=policy)
    before = tags_in(scene)
    scene.pass_by(timedelta(seconds=1))

    await scene.collect(policy=policy)

    assert before == {"a:pr-1"}
    assert tags_in(scene) == (set() if days else {"a:pr-1"})


async def test_an_image_does_not_expire_with_what_its_annotations_name(scene: Scene) -> None:
    """Only an index has images: the base of another image is not part of it."""
    base = await push(scene, "a", config_of({QUAYS: "3d"}), "base")
    annotations = {"org.opencontainers.image.base.digest": str(Digest.of(base))}
    await push(scene, "a", config_of({}), "v1", annotations=annotations)
    scene.pass_by(9 * DAY)

    await scene.collect()

    assert tags_in(scene) == {"a:v1"}
