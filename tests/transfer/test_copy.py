"""Copies: what belongs to a manifest, in which order it arrives, and what is not copied again."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from registry_core.globs import TagNameGlobs
from registry_core.registry import Listing, TagInfo
from registry_core.spec import media_types
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.manifest import parse_manifest
from registry_core.transfer.copy import copy_manifest, copy_tags, list_tags
from registry_core.transfer.options import CopyOptions
from registry_core.transfer.place import Place
from registry_core.transfer.progress import CopyProgress
from registry_core.transfer.report import NOTHING, Amount, Outcome
from registry_core.transfer.run import CopyRun
from tests.support.content import (
    CONFIG,
    chunk,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_manifest,
    random_bytes,
    read_blob,
)
from tests.transfer.places import (
    TARGET,
    Shelf,
    Watched,
    has_manifest,
    image_for,
    index_of,
    layer_of,
    push_image_of,
    push_index,
    push_layers,
    stored,
)

T = TypeVar("T")

pytestmark = pytest.mark.anyio

PLATFORMS = ("linux/amd64", "linux/arm64")


async def test_an_image_is_copied_with_its_config_and_layers() -> None:
    shelf = Shelf()
    manifest = await push_image_of(shelf.source, b"one", b"two")
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1", "latest"])
    for tag in ("v1", "latest"):
        assert (await shelf.target.get_manifest("copy/app", tag)).content == manifest
    for content in (CONFIG, b"one", b"two"):
        assert await read_blob(shelf.target, "copy/app", Digest.of(content)) == content
    assert report.tags == dict.fromkeys(("latest", "v1"), Digest.of(manifest))
    assert report.manifests == {Outcome.COPIED: Amount(1, len(manifest))}
    assert report.blobs == {Outcome.COPIED: Amount(3, len(CONFIG) + 6)}
    assert report.bytes_read == len(CONFIG) + 6


async def test_a_manifest_is_copied_by_its_digest_without_a_tag() -> None:
    shelf = Shelf()
    manifest = await push_image_of(shelf.source, b"one")
    report = await copy_manifest(shelf.here, Digest.of(manifest), shelf.there, [])
    assert await has_manifest(shelf.target, manifest)
    assert not report.tags


async def test_an_index_is_copied_with_every_manifest_that_it_lists() -> None:
    shelf = Shelf()
    index = await push_index(shelf.source, *PLATFORMS, attested=True)
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert (await shelf.target.get_manifest("copy/app", "v1")).content == index
    for platform in PLATFORMS:
        assert await has_manifest(shelf.target, image_for(platform))
    assert report.manifests[Outcome.COPIED].number == 5


async def test_an_index_in_an_index_is_copied() -> None:
    shelf = Shelf()
    inner = await push_index(shelf.source, *PLATFORMS)
    outer = image_index(manifests=[descriptor(inner, media_types.OCI_INDEX)])
    await push_manifest(shelf.source, "app", "outer", outer)
    await copy_manifest(shelf.here, "outer", shelf.there, ["outer"])
    for manifest in (outer, inner, image_for("linux/arm64")):
        assert await has_manifest(shelf.target, manifest)


@pytest.mark.parametrize("media_type", [media_types.OCI_MANIFEST, "application/vnd.layer"])
async def test_blobs_that_an_index_lists_are_copied(media_type: str) -> None:
    """BuildKit's caches are indexes of layers, and of a config."""
    shelf = Shelf()
    await push_layers(shelf.source, b"cached")
    cache = image_index(manifests=[descriptor(b"cached", media_type)])
    await push_manifest(shelf.source, "app", "cache", cache)
    await copy_manifest(shelf.here, "cache", shelf.there, ["cache"])
    assert await read_blob(shelf.target, "copy/app", Digest.of(b"cached")) == b"cached"


async def test_docker_images_keep_their_media_types() -> None:
    shelf = Shelf()
    await push_layers(shelf.source, b"layer")
    image = image_manifest(
        b"layer",
        mediaType=media_types.DOCKER_MANIFEST,
        config=descriptor(CONFIG, media_types.DOCKER_CONFIG),
    )
    await push_manifest(shelf.source, "app", Digest.of(image), image)
    entry = descriptor(image, media_types.DOCKER_MANIFEST)
    index = image_index(manifests=[entry], mediaType=media_types.DOCKER_MANIFEST_LIST)
    await push_manifest(shelf.source, "app", "v1", index)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert await has_manifest(shelf.target, image)
    assert await has_manifest(shelf.target, index)


async def test_a_referrer_is_copied_without_its_subject() -> None:
    shelf = Shelf()
    referrer = image_manifest(b"sbom", subject=descriptor(b"{}", media_types.OCI_MANIFEST))
    await push_layers(shelf.source, b"sbom")
    await push_manifest(shelf.source, "app", "sbom", referrer)
    await copy_manifest(shelf.here, "sbom", shelf.there, ["sbom"])
    assert await has_manifest(shelf.target, referrer)


async def test_content_is_copied_by_its_sha512() -> None:
    shelf = Shelf()
    layer = b"by sha512"
    digest = Digest.of(layer, SHA512)
    upload = await shelf.source.inner.start_upload("app", SHA512)
    await shelf.source.inner.finish_upload(upload, digest, chunk(layer))
    await push_layers(shelf.source)
    described = descriptor(layer) | {"digest": str(digest)}
    manifest = image_manifest(layers=[described])
    by_sha512 = Digest.of(manifest, SHA512)
    await push_manifest(shelf.source, "app", by_sha512, manifest)
    await copy_manifest(shelf.here, by_sha512, shelf.there, [])
    assert (await shelf.target.get_manifest("copy/app", by_sha512)).content == manifest
    assert await read_blob(shelf.target, "copy/app", digest) == layer


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_foreign_layer_is_copied_only_if_the_source_has_it(*, is_there: bool) -> None:
    shelf = Shelf(Watched(stored(foreign_urls=None)), Watched(stored(foreign_urls=None)))
    foreign = descriptor(b"foreign", media_types.DOCKER_FOREIGN_LAYER)
    manifest = image_manifest(layers=[foreign | {"urls": ["https://example.com/layer"]}])
    await push_layers(shelf.source, *([b"foreign"] if is_there else []))
    await push_manifest(shelf.source, "app", "v1", manifest)
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert report.blobs.get(Outcome.ABSENT, NOTHING).number == (not is_there)
    if is_there:
        assert await read_blob(shelf.target, "copy/app", Digest.of(b"foreign")) == b"foreign"


async def test_an_empty_blob_is_copied() -> None:
    shelf = Shelf()
    await push_image_of(shelf.source, b"")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert (await shelf.target.resolve_blob("copy/app", Digest.of(b""))).size == 0


async def test_blobs_come_first_and_the_tag_last() -> None:
    shelf = Shelf()
    index = await push_index(shelf.source, *PLATFORMS)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], CopyOptions(parallel=1))
    order = shelf.target.called("finish_upload", "push_manifest")
    images = [(Digest.of(image_for(platform)), ()) for platform in PLATFORMS]
    assert order[-1] == (Digest.of(index), ("v1",))
    assert [each for each in order if each in images] == images
    for platform, image in zip(PLATFORMS, images, strict=True):
        assert order.index(Digest.of(layer_of(platform))) < order.index(image)


async def test_a_manifest_is_pushed_once_with_all_its_tags() -> None:
    shelf = Shelf()
    manifest = await push_image_of(shelf.source, b"one")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1", "latest"])
    assert shelf.target.called("push_manifest") == [(Digest.of(manifest), ("v1", "latest"))]


async def test_a_blob_is_copied_once_however_often_it_is_named() -> None:
    shelf = Shelf()
    await push_index(shelf.source, *PLATFORMS)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    copied = shelf.target.called("finish_upload")
    assert len(copied) == len(set(copied)) == 4


async def test_a_second_copy_writes_nothing() -> None:
    shelf = Shelf()
    index = await push_index(shelf.source, *PLATFORMS)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    shelf.target.calls.clear()
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert not shelf.target.writes
    assert not report.changed
    assert report.present_tags == {"v1": Digest.of(index)}
    assert report.manifests[Outcome.PRESENT].number == 3
    assert report.blobs[Outcome.PRESENT].number == 4


async def test_what_a_manifest_lacks_that_is_there_is_copied() -> None:
    """Somebody deleted a blob from the target after an earlier copy."""
    shelf = Shelf()
    await push_image_of(shelf.source, b"one", b"two")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    await shelf.kept.delete_blob("copy/app", Digest.of(b"two"))
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert report.blobs[Outcome.COPIED] == Amount(1, 3)
    assert await read_blob(shelf.target, "copy/app", Digest.of(b"two")) == b"two"


async def test_where_manifests_are_whole_a_tag_that_has_not_moved_costs_two_heads() -> None:
    shelf = Shelf()
    await push_index(shelf.source, *PLATFORMS)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    shelf.source.calls.clear()
    shelf.target.calls.clear()
    whole = Place(shelf.target, "copy/app", TARGET, keeps_whole=True)
    await copy_manifest(shelf.here, "v1", whole, ["v1"])
    assert shelf.source.calls == [("resolve_manifest", "v1")]
    assert shelf.target.calls == [("resolve_manifest", "v1")]


async def test_a_tag_moves_to_a_manifest_that_is_there_without_copying() -> None:
    shelf = Shelf()
    manifest = await push_image_of(shelf.source, b"one")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    shelf.target.calls.clear()
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1", "v2"])
    assert shelf.target.writes == [("push_manifest", (Digest.of(manifest), ("v2",)))]
    assert (set(report.tags), set(report.present_tags)) == ({"v2"}, {"v1"})


async def test_a_tag_that_pointed_elsewhere_is_moved() -> None:
    shelf = Shelf()
    await push_image_of(shelf.source, b"old")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    new = await push_image_of(shelf.source, b"new")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert (await shelf.target.get_manifest("copy/app", "v1")).content == new


async def test_the_digest_of_a_tag_that_moves_meanwhile_does_not_change() -> None:
    """Only the first request names the tag; everything else goes by digest."""
    shelf = Shelf()
    await push_index(shelf.source, *PLATFORMS)
    shelf.source.calls.clear()
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    by_name = [each for each in shelf.source.calls if isinstance(each[1], str)]
    assert by_name == [("resolve_manifest", "v1")]


async def test_a_manifest_is_read_once_from_the_source() -> None:
    """Some registries count reads of manifests, and refuse them when they are many."""
    shelf = Shelf()
    await push_index(shelf.source, *PLATFORMS)
    shelf.source.calls.clear()
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], CopyOptions(referrers=True))
    read = shelf.source.called("get_manifest")
    assert len(read) == len(set(read)) == 3


async def test_progress_counts_every_blob_to_its_end() -> None:
    shelf = Shelf()
    await push_image_of(shelf.source, random_bytes(200_000), b"two")
    seen: list[CopyProgress] = []
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], progress=seen.append)
    last = {each.digest: each for each in seen}
    assert all(each.is_finished and each.done == each.size for each in last.values())
    assert len([each for each in seen if each.is_finished]) == 3
    assert seen[-1].total_done == seen[-1].total_size == len(CONFIG) + 200_003
    assert [each.total_done for each in seen] == sorted(each.total_done for each in seen)


async def test_progress_forgets_a_blob_that_need_not_be_copied() -> None:
    shelf = Shelf(Watched(stored(foreign_urls=None)), Watched(stored(foreign_urls=None)))
    foreign = descriptor(b"foreign", media_types.DOCKER_FOREIGN_LAYER)
    manifest = image_manifest(layers=[foreign | {"urls": ["https://example.com/layer"]}])
    await push_layers(shelf.source)
    await push_manifest(shelf.source, "app", "v1", manifest)
    seen: list[CopyProgress] = []
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], progress=seen.append)
    assert seen[-1].total_done == seen[-1].total_size == len(CONFIG)


async def test_no_more_blobs_are_under_way_than_allowed() -> None:
    class Counting(Watched):
        now = most = 0

        async def perform(self, name: str, about: object, call: Coroutine[Any, Any, T]) -> T:
            if name != "finish_upload":
                return await super().perform(name, about, call)
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                return await super().perform(name, about, call)
            finally:
                self.now -= 1

    target = Counting(stored())
    shelf = Shelf(target=target)
    layers = [random_bytes(100_000, seed) for seed in range(12)]
    await push_image_of(shelf.source, *layers)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], CopyOptions(parallel=3))
    assert target.most == 3


async def test_a_dry_run_writes_nothing_and_says_what_would_be_copied() -> None:
    shelf = Shelf()
    index = await push_index(shelf.source, *PLATFORMS)
    await copy_manifest(shelf.here, Digest.of(image_for(PLATFORMS[0])), shelf.there, [])
    shelf.target.calls.clear()
    dry = CopyOptions(dry_run=True, referrers=True)
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], dry)
    assert not shelf.target.writes
    assert report.tags == {"v1": Digest.of(index)}
    assert report.manifests[Outcome.COPIED].number == 2
    assert report.manifests[Outcome.PRESENT].number == 1
    assert report.blobs[Outcome.COPIED] == Amount(1, len(layer_of(PLATFORMS[1])))
    assert report.to_json()["dryRun"] is True


async def test_every_tag_is_copied_and_one_that_fails_does_not_stop_the_others() -> None:
    shelf = Shelf()
    good = await push_image_of(shelf.source, b"good", tag="good")
    await push_image_of(shelf.source, b"bad", tag="bad")
    await shelf.source.inner.delete_blob("app", Digest.of(b"bad"))
    tags = await list_tags(shelf.here)
    report = await copy_tags(shelf.here, [*tags, "missing"], shelf.there)
    assert report.tags == {"good": Digest.of(good)}
    assert set(report.failures) == {"bad", "missing"}
    assert str(Digest.of(b"bad")) in str(report.failures["bad"])
    assert "source.example/app does not have the manifest missing" in str(
        report.failures["missing"]
    )


async def test_tags_that_share_blobs_copy_each_once() -> None:
    shelf = Shelf()
    for tag in ("v1", "v2", "v3"):
        await push_image_of(shelf.source, b"shared", tag.encode(), tag=tag)
    report = await copy_tags(shelf.here, ["v1", "v2", "v3"], shelf.there)
    copied = shelf.target.called("finish_upload")
    assert len(copied) == len(set(copied)) == 5
    assert report.blobs[Outcome.COPIED].number == 5


async def test_tags_are_chosen_by_globs() -> None:
    shelf = Shelf()
    for tag in ("v1", "v2", "v2-rc1", "nightly"):
        await push_image_of(shelf.source, b"layer", tag=tag)
    found = await list_tags(shelf.here, TagNameGlobs(("v*",)), TagNameGlobs(("*-rc?",)))
    assert found == ["v1", "v2"]


async def test_tags_are_listed_page_by_page() -> None:
    class ShortPages(Watched):
        async def list_tags(
            self, repository: str, page: PageQuery, *, details: bool = False
        ) -> Listing[TagInfo]:
            return await super().list_tags(repository, replace(page, n=2), details=details)

    shelf = Shelf(ShortPages(stored()))
    names = [f"v{number}" for number in range(5)]
    for tag in names:
        await push_image_of(shelf.source, b"layer", tag=tag)
    assert await list_tags(shelf.here) == names


async def test_a_manifest_without_a_media_type_is_copied_as_it_is() -> None:
    shelf = Shelf()
    await push_layers(shelf.source, b"one")
    manifest = image_manifest(b"one", mediaType=None)
    assert "mediaType" not in json.loads(manifest)
    await push_manifest(shelf.source, "app", "v1", manifest, media_types.OCI_MANIFEST)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert await has_manifest(shelf.target, manifest)


async def test_a_run_does_not_copy_again_what_an_earlier_copy_of_it_has_copied() -> None:
    shelf = Shelf()
    await push_index(shelf.source, *PLATFORMS)
    run = CopyRun()
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    shelf.target.calls.clear()
    await copy_manifest(shelf.here, "v1", shelf.there, ["again"], run=run)
    assert not shelf.target.called("resolve_blob")
    assert shelf.target.writes == [("push_manifest", (Digest.of(index_of(*PLATFORMS)), ("again",)))]


async def test_what_is_read_of_an_index_is_parsed_as_pushed() -> None:
    """A manifest that the target holds is the source's, byte for byte, white space included."""
    shelf = Shelf()
    await push_layers(shelf.source, b"one")
    spaced = json.dumps(json.loads(image_manifest(b"one")), indent=7).encode()
    assert parse_manifest(spaced).content == spaced
    await push_manifest(shelf.source, "app", "v1", spaced)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert await has_manifest(shelf.target, spaced)


async def test_a_blob_that_the_target_lost_during_the_copy_is_copied_again() -> None:
    class Losing(Watched):
        has_lost = False

        async def perform(self, name: str, about: object, call: Coroutine[Any, Any, T]) -> T:
            if name == "push_manifest" and not self.has_lost:
                self.has_lost = True
                await self.inner.delete_blob("copy/app", Digest.of(b"lost"))
            return await super().perform(name, about, call)

    shelf = Shelf(target=Losing(stored()))
    manifest = await push_image_of(shelf.source, b"kept", b"lost")
    await push_blob(shelf.source, "app", b"unrelated")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert await has_manifest(shelf.target, manifest)
    assert shelf.target.called("finish_upload").count(Digest.of(b"lost")) == 2
