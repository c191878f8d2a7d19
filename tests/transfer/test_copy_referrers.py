"""Copies with what is attached to manifests: referrers, and cosign's signatures by tag."""

from __future__ import annotations

import asyncio
import json

import pytest

from registry_core.registry import Listing
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.errors import ManifestUnknown
from registry_core.spec.references import fallback_tag
from registry_core.transfer.copy import copy_manifest, copy_tags
from registry_core.transfer.options import CopyOptions
from registry_core.transfer.place import Place
from registry_core.transfer.report import Outcome
from tests.support.content import image_index, image_manifest, push_manifest
from tests.transfer.places import (
    TARGET,
    Shelf,
    Watched,
    WithoutReferrers,
    child,
    has_manifest,
    image_for,
    push_image_of,
    push_index,
    push_layers,
    push_referrer,
    stored,
    tags_of,
)

pytestmark = pytest.mark.anyio

WITH_REFERRERS = CopyOptions(referrers=True)


async def referrers_of(registry: Watched, subject: bytes) -> set[Digest]:
    listing = await registry.list_referrers("copy/app", Digest.of(subject), None, PageQuery())
    return {entry.digest for entry in listing.entries}


def attached_tag(subject: bytes, ending: str) -> str:
    return f"sha256-{Digest.of(subject).hex}{ending}"


async def test_referrers_are_left_out_unless_they_are_wanted() -> None:
    shelf = Shelf()
    image = await push_image_of(shelf.source, b"one")
    signature = await push_referrer(shelf.source, image, "signature")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert not await has_manifest(shelf.target, signature)


async def test_referrers_of_everything_and_their_own_are_copied() -> None:
    """Of the index, of an image in it, and of a referrer."""
    shelf = Shelf()
    index = await push_index(shelf.source, "linux/amd64", "linux/arm64")
    signature = await push_referrer(shelf.source, index, "signature")
    sbom = await push_referrer(shelf.source, image_for("linux/arm64"), "sbom")
    of_sbom = await push_referrer(shelf.source, sbom, "signature of the sbom")
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    for manifest in (signature, sbom, of_sbom):
        assert await has_manifest(shelf.target, manifest)
    assert await referrers_of(shelf.target, index) == {Digest.of(signature)}
    assert await referrers_of(shelf.target, sbom) == {Digest.of(of_sbom)}
    assert report.manifests[Outcome.COPIED].number == 6


async def test_an_index_that_refers_is_copied_with_all_it_lists() -> None:
    shelf = Shelf()
    image = await push_image_of(shelf.source, b"one")
    part = await push_image_of(shelf.source, b"part", tag="part")
    await push_manifest(
        shelf.source,
        "app",
        "sboms",
        index := image_index(part, subject=child(image), artifactType="application/vnd.sboms"),
    )
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert await has_manifest(shelf.target, index)
    assert await has_manifest(shelf.target, part)


async def test_the_tag_is_set_after_the_referrers() -> None:
    shelf = Shelf()
    image = await push_image_of(shelf.source, b"one")
    signature = await push_referrer(shelf.source, image, "signature")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert shelf.target.called("push_manifest") == [
        (Digest.of(image), ()),
        (Digest.of(signature), ()),
        (Digest.of(image), ("v1",)),
    ]


async def test_a_referrer_that_is_new_is_copied_although_the_image_is_there() -> None:
    shelf = Shelf()
    image = await push_image_of(shelf.source, b"one")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    signature = await push_referrer(shelf.source, image, "signature")
    whole = Place(shelf.target, "copy/app", TARGET, keeps_whole=True)
    report = await copy_manifest(shelf.here, "v1", whole, ["v1"], WITH_REFERRERS)
    assert await has_manifest(shelf.target, signature)
    assert report.manifests[Outcome.COPIED].number == 1


@pytest.mark.parametrize("ending", [".sig", ".att", ".sbom"])
async def test_what_cosign_attaches_by_a_tag_is_copied(ending: str) -> None:
    shelf = Shelf()
    index = await push_index(shelf.source, "linux/amd64")
    subject = image_for("linux/amd64")
    tag = attached_tag(subject, ending)
    attached = await push_image_of(shelf.source, b"attached", tag=tag)
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert (await shelf.target.get_manifest("copy/app", tag)).content == attached
    assert report.tags == {"v1": Digest.of(index), tag: Digest.of(attached)}


async def test_tags_that_attach_manifests_to_each_other_end() -> None:
    shelf = Shelf()
    one = await push_image_of(shelf.source, b"one", tag="one")
    two = await push_image_of(shelf.source, b"two", tag="two")
    for subject, attached in ((one, two), (two, one), (one, one)):
        ending = ".att" if subject is attached else ".sig"
        await push_manifest(shelf.source, "app", attached_tag(subject, ending), attached)
    async with asyncio.timeout(10):
        report = await copy_tags(shelf.here, ["one", "two"], shelf.there, WITH_REFERRERS)
    assert not report.failures
    assert len(await tags_of(shelf.target)) == 5


async def test_a_list_that_names_its_subject_or_what_does_not_refer_to_it_is_not_believed() -> None:
    class Lying(Watched):
        extra: tuple[Descriptor, ...] = ()

        async def list_referrers(
            self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
        ) -> Listing[Descriptor]:
            return Listing(self.extra)

    source = Lying(stored())
    shelf = Shelf(source)
    image = await push_image_of(source, b"one")
    other = await push_image_of(source, b"two", tag="other")
    gone = image_manifest(b"gone")
    source.extra = tuple(
        Descriptor(media_types.OCI_MANIFEST, Digest.of(each), len(each))
        for each in (image, other, gone)
    )
    async with asyncio.timeout(10):
        report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert not await has_manifest(shelf.target, other)
    assert report.manifests[Outcome.COPIED].number == 1


async def test_the_size_that_a_list_of_referrers_has_does_not_matter() -> None:
    """Lists are kept by clients, and may be careless; digests cannot be."""
    shelf = Shelf(WithoutReferrers(stored()))
    image = await push_image_of(shelf.source, b"one")
    signature = await push_referrer(shelf.source, image, "signature")
    careless = image_index(manifests=[child(signature) | {"size": 1}])
    await push_manifest(shelf.source, "app", fallback_tag(Digest.of(image)), careless)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert await has_manifest(shelf.target, signature)


async def test_a_referrer_of_an_image_in_an_index_that_is_there_is_copied() -> None:
    shelf = Shelf()
    await push_index(shelf.source, "linux/amd64")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    sbom = await push_referrer(shelf.source, image_for("linux/amd64"), "sbom")
    whole = Place(shelf.target, "copy/app", TARGET, keeps_whole=True)
    await copy_manifest(shelf.here, "v1", whole, ["v1"], WITH_REFERRERS)
    assert await has_manifest(shelf.target, sbom)


async def test_a_list_of_another_manifest_is_copied_as_it_is() -> None:
    """Under a tag of the form of a list, but none of the entries refers to what the tag names."""
    shelf = Shelf()
    image = await push_image_of(shelf.source, b"one")
    signature = await push_referrer(shelf.source, image, "signature")
    tag = "sha256-" + "ab" * 32
    index = image_index(signature)
    await push_manifest(shelf.source, "app", tag, index)
    await copy_tags(shelf.here, [tag], shelf.there, WITH_REFERRERS)
    assert (await shelf.target.get_manifest("copy/app", tag)).content == index


async def test_referrers_are_listed_page_by_page() -> None:
    class ShortPages(Watched):
        async def list_referrers(
            self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
        ) -> Listing[Descriptor]:
            short = PageQuery(1, page.last, page.token)
            return await super().list_referrers(repository, subject, artifact_type, short)

    shelf = Shelf(ShortPages(stored()))
    image = await push_image_of(shelf.source, b"one")
    signatures = [await push_referrer(shelf.source, image, str(n)) for n in range(3)]
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert await referrers_of(shelf.target, image) == set(map(Digest.of, signatures))


async def test_where_the_target_keeps_no_lists_the_copy_keeps_them() -> None:
    """OCI distribution-spec, "Pushing Manifests with Subject": under the fallback tag."""
    shelf = Shelf(target=WithoutReferrers(stored()))
    image = await push_image_of(shelf.source, b"one")
    names = ("signature", "sbom", "third")
    signatures = [
        await push_referrer(shelf.source, image, name, annotations={"name": name}) for name in names
    ]
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    tag = fallback_tag(Digest.of(image))
    index = json.loads((await shelf.target.get_manifest("copy/app", tag)).content)
    assert index["mediaType"] == media_types.OCI_INDEX
    assert {entry["digest"] for entry in index["manifests"]} == {
        str(Digest.of(each)) for each in signatures
    }
    assert {entry["artifactType"] for entry in index["manifests"]} == {
        "application/vnd.example.signature"
    }
    assert {entry["annotations"]["name"] for entry in index["manifests"]} == set(names)
    pushed = [about for about in shelf.target.called("push_manifest") if not about[1]]  # type: ignore[index]
    assert len(pushed) == len(set(pushed)) == 4  # no entry was lost to another one
    shelf.target.calls.clear()
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert not shelf.target.writes


async def test_a_referrer_is_listed_at_the_target_even_if_it_is_copied_by_its_own_digest() -> None:
    shelf = Shelf(target=WithoutReferrers(stored()))
    image = await push_image_of(shelf.source, b"one")
    signature = await push_referrer(shelf.source, image, "signature")
    await copy_manifest(shelf.here, Digest.of(signature), shelf.there, [])
    assert await referrers_of(shelf.target, image) == {Digest.of(signature)}


async def test_a_referrer_that_is_listed_already_is_not_listed_twice() -> None:
    """Somebody deleted it from the target, and not from the list."""
    shelf = Shelf(target=WithoutReferrers(stored(require_children=False)))
    image = await push_image_of(shelf.source, b"one")
    signature = await push_referrer(shelf.source, image, "signature")
    tag = fallback_tag(Digest.of(image))
    await push_manifest(shelf.kept, "copy/app", tag, image_index(signature))
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert await has_manifest(shelf.target, signature)
    assert (await shelf.target.get_manifest("copy/app", tag)).content == image_index(signature)


async def test_entries_of_others_in_a_list_stay() -> None:
    shelf = Shelf(target=WithoutReferrers(stored()))
    image = await push_image_of(shelf.source, b"one")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    others = await push_referrer(shelf.kept, image, "of somebody else", "copy/app")
    tag = fallback_tag(Digest.of(image))
    kept = image_index(others, annotations={"kept": "too"})
    await push_manifest(shelf.kept, "copy/app", tag, kept)
    signature = await push_referrer(shelf.source, image, "signature")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert await referrers_of(shelf.target, image) == {Digest.of(others), Digest.of(signature)}
    index = json.loads((await shelf.target.get_manifest("copy/app", tag)).content)
    assert index["annotations"] == {"kept": "too"}


async def test_referrers_that_the_target_has_but_does_not_list_are_listed() -> None:
    """A client that did not keep the list pushed them."""
    shelf = Shelf(target=WithoutReferrers(stored()))
    image = await push_image_of(shelf.source, b"one")
    signature = await push_referrer(shelf.source, image, "signature")
    await push_referrer(shelf.kept, image, "signature", "copy/app")
    assert await referrers_of(shelf.target, image) == set()
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert await referrers_of(shelf.target, image) == {Digest.of(signature)}


async def test_a_fallback_list_changed_by_others_meanwhile_is_read_again() -> None:
    """The target honours conditions, and somebody adds an entry between reading and writing."""

    class Raced(WithoutReferrers):
        other: bytes = b""

        async def push_manifest(self, repository, manifest, tags=(), precondition=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            if precondition is not None:
                if self.other:
                    other, self.other = self.other, b""
                    await push_manifest(self.inner, repository, tags[0], image_index(other))
                return await self.inner.push_manifest(repository, manifest, tags, precondition)
            return await super().push_manifest(repository, manifest, tags)

    target = Raced(stored())
    shelf = Shelf(target=target)
    image = await push_image_of(shelf.source, b"one")
    signature = await push_referrer(shelf.source, image, "signature")
    target.other = await push_referrer(shelf.kept, image, "of somebody else", "copy/app")
    others = Digest.of(target.other)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert await referrers_of(shelf.target, image) == {others, Digest.of(signature)}


async def test_lists_of_a_source_become_lists_of_the_target() -> None:
    """From a registry without the referrers API to one with it, and back to one without."""
    source, with_api = WithoutReferrers(stored()), Watched(stored())
    image = await push_image_of(source, b"one")
    signature = await push_referrer(source, image, "signature")
    tag = fallback_tag(Digest.of(image))
    await push_manifest(source, "app", tag, image_index(signature))
    there = Shelf(source, with_api)
    report = await copy_tags(there.here, ["v1", tag], there.there, WITH_REFERRERS)
    assert await referrers_of(with_api, image) == {Digest.of(signature)}
    assert (await tags_of(with_api), set(report.tags)) == (["v1"], {"v1"})
    back = WithoutReferrers(stored())
    third = Place(back, "copy/app", "third.example")
    await copy_tags(there.there, ["v1"], third, WITH_REFERRERS)
    assert await referrers_of(back, image) == {Digest.of(signature)}
    assert await tags_of(back) == sorted([tag, "v1"])


async def test_a_tag_that_only_looks_like_a_list_is_copied_as_it_is() -> None:
    shelf = Shelf()
    tag = "sha256-" + "ab" * 32
    manifest = await push_image_of(shelf.source, b"one", tag=tag)
    await copy_tags(shelf.here, [tag], shelf.there, WITH_REFERRERS)
    assert (await shelf.target.get_manifest("copy/app", tag)).content == manifest


async def test_a_dry_run_counts_referrers_and_writes_nothing() -> None:
    shelf = Shelf(target=WithoutReferrers(stored()))
    image = await push_image_of(shelf.source, b"one")
    await push_referrer(shelf.source, image, "signature")
    dry = CopyOptions(referrers=True, dry_run=True)
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], dry)
    assert report.manifests[Outcome.COPIED].number == 2
    assert not shelf.target.writes
    with pytest.raises(ManifestUnknown):
        await shelf.target.resolve_manifest("copy/app", Digest.of(image))


async def test_a_referrer_without_layers_but_with_a_shared_config_is_copied() -> None:
    shelf = Shelf()
    image = await push_image_of(shelf.source, b"one")
    await push_layers(shelf.source)
    empty = image_manifest(subject=child(image), artifactType="application/vnd.empty")
    await push_manifest(shelf.source, "app", Digest.of(empty), empty)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], WITH_REFERRERS)
    assert await has_manifest(shelf.target, empty)
