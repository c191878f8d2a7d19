"""What manifests name is kept between runs, and read again where that cannot be used."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from registry_core.maintenance.gc import collect
from registry_core.maintenance.gc.references import ReferenceRecord, References
from registry_core.spec.digest import Digest
from tests.maintenance.examining import ignore_progress
from tests.support.content import image_manifest, push_blob, push_image
from tests.support.counting import CountingStore

from .scene import DAY, LAYOUT, Scene

pytestmark = pytest.mark.anyio

PATH = LAYOUT.gc_reference("a/b")
NUMBER = 5


async def fill(scene: Scene, **fields: Any) -> None:
    for number in range(NUMBER):
        for content in (b"{}", b"%d" % number):
            await push_blob(scene.registry, "a/b", content)
        manifest = image_manifest(b"%d" % number, config=config(), **fields)
        await scene.push(manifest, f"v{number}", repository="a/b")


def config() -> dict[str, object]:
    return {"mediaType": "application/x", "digest": str(Digest.of(b"{}")), "size": 2}


async def gets(scene: Scene) -> int:
    calls = CountingStore(scene.store)
    await scene.collect(calls)
    return Counter(calls.take())["get"]


async def test_the_record_of_a_repository_has_its_name(scene: Scene) -> None:
    await fill(scene)

    await scene.collect()

    assert PATH in scene.store.objects
    assert LAYOUT.referencing_repository(PATH) == "a/b"


@pytest.mark.parametrize("damage", ["empty", "no lines", "other lines", "no metadata", "version"])
async def test_a_record_that_cannot_be_used_is_ignored_and_written_again(
    scene: Scene, damage: str
) -> None:
    """Whatever it says: by these lines, nothing would be named."""
    await fill(scene)
    await scene.collect()
    found = scene.store.objects[PATH]
    digests = [Digest.of(image_manifest(b"%d" % n, config=config())) for n in range(NUMBER)]
    nothing_named = b"\n".join(References(digest, (), ()).to_line() for digest in digests)
    metadata = dict(found.properties.metadata)
    if damage == "no metadata":
        metadata = {}
    elif damage == "version":
        checksum = hashlib.sha256(nothing_named).hexdigest()
        metadata = {"version": "2", "checksum": checksum}
    contents = {"empty": b"", "no lines": b"[]"}
    properties = replace(found.properties, metadata=metadata)
    scene.store.objects[PATH] = replace(
        found, properties=properties, blocks={"": contents.get(damage, nothing_named)}
    )
    await push_blob(scene.registry, "a/b", b"garbage")
    scene.pass_by()

    again = await gets(scene)

    assert scene.condemned == {LAYOUT.blob_link("a/b", Digest.of(b"garbage"))}
    assert again == NUMBER + 1
    assert await gets(scene) == 1


async def test_blobs_stay_by_the_record(scene: Scene) -> None:
    await fill(scene)
    before = scene.paths

    await scene.collect_all(untagged=DAY)

    assert scene.paths == before


async def test_a_manifest_that_another_one_names_stays_by_the_record(scene: Scene) -> None:
    await fill(scene, annotations={"base": str(Digest.of(b"base"))})
    await push_blob(scene.registry, "a/b", b"base")
    before = scene.paths

    await scene.collect_all(untagged=DAY)

    assert scene.paths == before


async def test_a_wish_to_expire_is_in_the_record(scene: Scene) -> None:
    """As it is in the manifest only, where another registry wrote the link."""
    await fill(scene, annotations={"org.moorage.expires-after": "5d"})
    for path in [path for path in scene.paths if "/revisions/" in path]:
        await scene.store.put(path, scene.store.objects[path].content)
    await scene.collect()
    scene.pass_by(5 * DAY)

    await scene.collect()

    assert not [path for path in scene.paths if path.endswith("current/link")]


async def test_a_dry_run_writes_no_record(scene: Scene) -> None:
    await fill(scene)

    await scene.collect(dry_run=True)

    assert PATH not in scene.store.objects


async def test_the_record_of_a_repository_without_manifests_goes(scene: Scene) -> None:
    await push_image(scene.registry, "b", "v1", [b"1"])
    await scene.store.put(PATH, b"")
    scene.pass_by()

    await scene.collect()

    assert PATH not in scene.store.objects


async def test_a_record_that_would_be_too_large_is_not_written(scene: Scene) -> None:
    named = [Digest.of(b"x")] * 500_000
    record = ReferenceRecord(scene.store, LAYOUT, "a/b")

    await record.save([References(named[0], named, ())])

    assert not scene.store.objects


@pytest.mark.parametrize("wish", [None, timedelta(days=3, hours=1)])
def test_a_line_is_read_as_it_was_written(wish: timedelta | None) -> None:
    one, two = Digest.of(b"1"), Digest.of(b"2", "sha512")
    references = References(one, [one, two], [two], wish)

    assert References.of_line(references.to_line()) == references


@pytest.mark.parametrize("line", [b"", b"[]", b"[1,2,3,4]", b'["sha256:0",[],[],null]', b"null"])
def test_a_line_that_something_else_wrote_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reason does not matter
        References.of_line(line)


async def test_a_repository_with_new_objects_between_slices_is_dealt_with_once(
    scene: Scene,
) -> None:
    await fill(scene)
    await scene.collect()
    scene.pass_by()
    first = await collect(
        scene.store, LAYOUT, scene.options, on_progress=ignore_progress, deadline=lambda: True
    )
    assert not first.finished
    await push_image(scene.registry, "a/b", "v9", [b"another"])

    report = await collect(scene.store, LAYOUT, scene.options, on_progress=ignore_progress)

    assert report.usage.manifests == NUMBER
    assert PATH in scene.store.objects
