"""Lists of referrers on the memory store: their entries, and the calls that they cost."""

from typing import Any

import pytest

from registry_core.object_store.interface import Page, check_metadata
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.manifest import parse_manifest
from registry_core.storage.links import MAX_LINK_BYTES, Link
from registry_core.storage.referrers import Referrers
from tests.support.content import descriptor, image_index, image_manifest
from tests.support.counting import CountingStore
from tests.support.referrers import (
    LAYOUT,
    OF_SUBJECT,
    SBOM,
    SIGNATURE,
    SUBJECT,
    artifact,
    everything,
    in_order,
    new_referrers,
    push,
    push_fallback,
    push_fallback_index,
)

pytestmark = pytest.mark.anyio

AS_SUBJECT = descriptor(SUBJECT, media_types.OCI_MANIFEST)


@pytest.fixture
def referrers(store: CountingStore) -> Referrers:
    return new_referrers(store)


async def test_a_subject_without_referrers_has_an_empty_list(referrers: Referrers) -> None:
    await push(referrers, artifact("one"), "elsewhere")
    assert await referrers.list_referrers("a", OF_SUBJECT, None, ALL) == Listing(())
    other = Digest.of(b"other")
    assert await referrers.list_referrers("elsewhere", other, None, ALL) == Listing(())


async def test_a_manifest_without_a_subject_is_not_listed(
    referrers: Referrers, memory: MemoryStore
) -> None:
    manifest = parse_manifest(SUBJECT)
    await referrers.add("a", manifest)
    assert await referrers.look("a", manifest) is None
    assert memory.objects == {}


async def test_an_entry_costs_one_put_and_a_list_one_listing_and_one_get_of_the_fallback(
    referrers: Referrers, store: CountingStore
) -> None:
    pushed = []
    for number in range(3):
        content = artifact(f"{number}", annotations={"number": f"{number}"})
        pushed.append(await push(referrers, content))
        path = LAYOUT.referrer_link("a", OF_SUBJECT, pushed[-1].digest)
        assert store.calls[-1:] == [("put", path)]
        link = await store.get(path, limit=MAX_LINK_BYTES)
        assert link.content == str(pushed[-1].digest).encode()
        store.calls.clear()
    assert await everything(referrers) == in_order(*pushed)
    assert sorted(store.take()) == ["get", "list_page"]


async def test_a_list_without_a_filter_has_all_types_and_with_one_only_that_type(
    referrers: Referrers,
) -> None:
    signature = await push(referrers, artifact("one"))
    sbom = await push(referrers, artifact("two", SBOM))
    assert await everything(referrers) == in_order(signature, sbom)
    assert await everything(referrers, SBOM) == [sbom]
    assert await everything(referrers, "no such type") == []


@pytest.mark.parametrize("stated", [None, ""])
async def test_an_image_without_an_artifact_type_has_the_type_of_its_config(
    referrers: Referrers, stated: str | None
) -> None:
    await push(referrers, artifact("one", stated))
    [listed] = await everything(referrers)
    assert listed.artifact_type == media_types.OCI_CONFIG


@pytest.mark.parametrize("stated, listed", [(None, None), ("", None), (SBOM, SBOM)])
async def test_an_index_has_the_artifact_type_that_it_states_or_none(
    referrers: Referrers, stated: str | None, listed: str | None
) -> None:
    await push(referrers, image_index(subject=AS_SUBJECT, artifactType=stated))
    [entry] = await everything(referrers)
    assert (entry.media_type, entry.artifact_type) == (media_types.OCI_INDEX, listed)
    assert ("artifactType" in entry.to_json()) == (listed is not None)


@pytest.mark.parametrize(
    "annotations",
    [
        None,
        {},
        {"": ""},
        {"org.opencontainers.image.created": "2026-01-02T03:04:05Z"},
        {
            "é": "ß 語 🦭",
            "tab": "\t",
            "newline": "\r\nX-Injected: yes",
            "null": "\0",
            "del": "\x7f",
        },
        {"percent": "%41%", "quotes": "\"'\\", "xml": "<&>", "blanks": "  a   b  "},
    ],
)
async def test_annotations_come_back_as_they_were(
    referrers: Referrers, store: CountingStore, annotations: dict[str, str] | None
) -> None:
    pushed = await push(referrers, artifact("one", annotations=annotations))
    store.calls.clear()
    assert await everything(referrers) == [pushed]
    assert pushed.annotations == annotations
    assert sorted(store.take()) == ["get", "list_page"], "they are in the entry's metadata"


@pytest.mark.parametrize("length", [6000, 7000, 8000, 8192, 9000, 100_000, 3 * 2**20])
async def test_annotations_that_metadata_cannot_hold_are_in_the_entrys_content(
    referrers: Referrers, memory: MemoryStore, store: CountingStore, length: int
) -> None:
    """However long they are, the manifest is not read."""
    pushed = await push(referrers, artifact("one", annotations={"long": "x" * length}))
    store.calls.clear()
    assert await everything(referrers, SIGNATURE) == [pushed]
    path = LAYOUT.referrer_link("a", OF_SUBJECT, pushed.digest)
    gets = [called for method, called in store.calls if method == "get"]
    assert (path in gets) == (length >= 7000)
    assert LAYOUT.content(pushed.digest) not in gets
    metadata = memory.objects[path].properties.metadata
    assert check_metadata(metadata)["digest"] == str(pushed.digest)


async def test_a_list_of_another_type_costs_no_read_however_long_annotations_are(
    referrers: Referrers, store: CountingStore
) -> None:
    for number in range(3):
        await push(referrers, artifact(f"{number}", annotations={"long": "x" * 9000}))
    await push(referrers, image_index(subject=AS_SUBJECT, annotations={"long": "x" * 9000}))
    store.calls.clear()
    assert await everything(referrers, SBOM) == []
    assert sorted(store.take()) == ["get", "list_page"], "the get is that of the fallback tag"


async def test_an_entrys_content_that_is_not_the_descriptor_of_its_manifest_is_not_trusted(
    referrers: Referrers, memory: MemoryStore
) -> None:
    """The manifest is read then, as where an earlier version wrote the entry."""
    pushed = await push(referrers, artifact("one", annotations={"long": "x" * 9000}))
    other = await push(referrers, artifact("two", annotations={"long": "x" * 9000}))
    path = LAYOUT.referrer_link("a", OF_SUBJECT, pushed.digest)
    another = memory.objects[LAYOUT.referrer_link("a", OF_SUBJECT, other.digest)].content
    metadata = memory.objects[path].properties.metadata
    for content in (str(pushed.digest).encode(), another, b"{}", b"[" * 9000, b"\xff", b""):
        described = {**metadata, "described": str(len(content))}
        await memory.put(path, content, metadata=described)
        assert await everything(referrers) == in_order(pushed, other)
        await memory.put(path, content, metadata=metadata)
        assert await everything(referrers, SIGNATURE) == in_order(pushed, other)


async def test_an_entry_that_is_deleted_while_it_is_listed_is_not_listed(
    memory: MemoryStore,
) -> None:
    class Deleting(CountingStore):
        async def list_page(self, prefix: str, **options: Any) -> Page:
            page = await super().list_page(prefix, **options)
            await memory.delete(page.entries[0].path)
            return page

    pushed = [
        await push(new_referrers(memory), artifact(name, annotations={"long": "x" * 9000}))
        for name in ("one", "two")
    ]
    assert await everything(new_referrers(Deleting(memory))) == in_order(*pushed)[1:]


async def test_an_artifact_type_may_be_any_text(referrers: Referrers) -> None:
    for name, artifact_type in enumerate(["ü", " a  b ", "%25", "x" * 20_000, "a\nb"]):
        pushed = await push(referrers, artifact(f"{name}", artifact_type))
        assert await everything(referrers, artifact_type) == [pushed]
        assert await everything(referrers, f"{artifact_type}.") == []


async def test_an_entry_without_metadata_is_read_from_the_manifest(
    referrers: Referrers, memory: MemoryStore
) -> None:
    """Such as an entry whose metadata were lost when the container was copied."""
    pushed = await push(referrers, artifact("one", annotations={"a": "b"}))
    path = LAYOUT.referrer_link("a", OF_SUBJECT, pushed.digest)
    sizes = ({**Link.to(pushed).metadata, "size": "9" * 30}, {"size": "x"})
    for metadata in (None, {"digest": "other"}, Link.to(pushed).metadata, *sizes):
        await memory.put(path, str(pushed.digest).encode(), metadata=metadata)
        assert await everything(referrers, SIGNATURE) == [pushed]


async def test_an_entry_without_metadata_and_content_is_not_listed(
    referrers: Referrers, memory: MemoryStore
) -> None:
    pushed = await push(referrers, artifact("one"))
    for digest, content in ((Digest.of(b"gone"), None), (Digest.of(b"text"), b"text")):
        await memory.put(LAYOUT.referrer_link("a", OF_SUBJECT, digest), str(digest).encode())
        if content:
            await memory.put(LAYOUT.content(digest), content)
    await memory.put(f"{LAYOUT.referrers('a', OF_SUBJECT)}sha256", b"")
    assert await everything(referrers) == [pushed]


async def test_a_removed_manifest_is_not_listed(referrers: Referrers, store: CountingStore) -> None:
    manifest = parse_manifest(artifact("one"))
    kept = await push(referrers, artifact("two"))
    await push(referrers, manifest.content)
    entry = await referrers.look("a", manifest)
    assert entry
    store.calls.clear()
    for _ in range(2):
        await referrers.remove("a", manifest, entry.etag)
        assert store.take() == ["delete"]
    assert await everything(referrers) == [kept]


async def test_an_entry_that_was_written_again_stays(referrers: Referrers) -> None:
    manifest = parse_manifest(artifact("one"))
    pushed = await push(referrers, manifest.content)
    entry = await referrers.look("a", manifest)
    assert entry
    await referrers.add("a", manifest)
    await referrers.remove("a", manifest, entry.etag)
    assert await everything(referrers) == [pushed]


async def test_entries_of_the_fallback_index_are_merged_in(
    referrers: Referrers, memory: MemoryStore
) -> None:
    both = await push(referrers, artifact("both", annotations={"by": "registry"}))
    ours = await push(referrers, artifact("ours"))
    theirs = [
        Descriptor(media_types.OCI_MANIFEST, Digest.of(b"1"), 1, artifact_type=SIGNATURE),
        Descriptor(media_types.OCI_MANIFEST, Digest.of(b"2"), 2, artifact_type=SBOM),
    ]
    stale = Descriptor(both.media_type, both.digest, both.size)
    await push_fallback_index(memory, stale, *theirs, *theirs)
    assert await everything(referrers) == in_order(both, ours, *theirs)
    assert await everything(referrers, SBOM) == theirs[1:]


async def test_entries_of_the_fallback_index_whose_manifest_is_gone_are_not_listed(
    referrers: Referrers, memory: MemoryStore, store: CountingStore
) -> None:
    """A client that finds the referrers API no longer updates its old index."""
    theirs = Descriptor(media_types.OCI_MANIFEST, Digest.of(b"1"), 1, artifact_type=SBOM)
    await push_fallback_index(memory, theirs)
    store.calls.clear()
    assert await everything(referrers, SIGNATURE) == []
    assert sorted(store.take()) == ["get", "get", "list_page"]
    assert await everything(referrers, SBOM) == [theirs]
    assert sorted(store.take()) == ["get", "head", "list_page"]
    link = LAYOUT.revision_link("a", theirs.digest)
    await memory.delete(link)
    assert await everything(new_referrers(store)) == []


@pytest.mark.parametrize("content", [image_manifest(), b"no manifest", None])
async def test_a_fallback_tag_without_an_index_is_ignored(
    referrers: Referrers, memory: MemoryStore, content: bytes | None
) -> None:
    pushed = await push(referrers, artifact("one"))
    await push_fallback(memory, content or b"")
    if content is None:
        await memory.delete(LAYOUT.content(Digest.of(b"")))
    assert await everything(referrers) == [pushed]
