"""Pages of referrers on the memory store: every referrer is on exactly one of them."""

import json
from base64 import urlsafe_b64encode

import pytest

from registry_core.object_store.interface import UNCONDITIONAL, Condition, StoredObject
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.errors import PaginationNumberInvalid
from registry_core.spec.manifest import parse_manifest
from registry_core.storage.links import Link, put_link
from registry_core.storage.referrers import Referrers
from tests.support.counting import CountingStore
from tests.support.listings import EmptyPages, SparsePages
from tests.support.referrers import (
    LAYOUT,
    OF_SUBJECT,
    SBOM,
    SIGNATURE,
    artifact,
    in_order,
    new_referrers,
    pages,
    push,
    push_fallback_index,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def referrers(memory: MemoryStore) -> Referrers:
    return new_referrers(memory)


@pytest.mark.parametrize("new_store", [MemoryStore, SparsePages])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 1000, 10**17, None])
@pytest.mark.parametrize("artifact_type", [None, SIGNATURE, "no such type"])
async def test_pages_have_every_referrer_exactly_once_in_order(
    new_store: type[MemoryStore], n: int | None, artifact_type: str | None
) -> None:
    memory = new_store()
    referrers = new_referrers(memory)
    pushed = [await push(referrers, artifact(f"{i}", [SIGNATURE, SBOM][i % 2])) for i in range(8)]
    theirs = [
        Descriptor(media_types.OCI_MANIFEST, Digest.of(f"{i}".encode()), i, artifact_type=SIGNATURE)
        for i in range(5)
    ]
    await push_fallback_index(memory, *pushed[2:5], *theirs)
    expected = [
        entry
        for entry in in_order(*pushed, *theirs)
        if artifact_type in (None, entry.artifact_type)
    ]
    found = await pages(referrers, n, artifact_type)
    assert [entry for page in found for entry in page.entries] == expected
    assert all(len(page.entries) <= (n or 1000) for page in found)
    assert all(page.entries for page in found[:-1])


async def test_a_page_of_no_entries_is_empty_and_the_last(referrers: Referrers) -> None:
    await push(referrers, artifact("one"))
    assert await pages(referrers, 0) == [Listing(())]


async def test_a_page_is_cut_before_its_json_exceeds_four_mebibytes(referrers: Referrers) -> None:
    note = {"long": "é" * 2**19}
    pushed = [await push(referrers, artifact(f"{i}", annotations=note)) for i in range(9)]
    found = await pages(referrers, None)
    assert [entry for page in found for entry in page.entries] == in_order(*pushed)
    for page in found:
        entries = [entry.to_json() for entry in page.entries]
        assert len(json.dumps(entries, ensure_ascii=False).encode()) < 4 * 2**20
    assert [len(page.entries) for page in found] == [3, 3, 3]


class CountingBytes(CountingStore):
    """Counts the bytes of what is read."""

    read = 0

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        found = await super().get(path, limit=limit, condition=condition)
        self.read += len(found.content)
        return found


async def costs(store: MemoryStore, artifact_type: str | None = None) -> list[tuple[int, int, int]]:
    """Return how many entries each page has, the calls that it costs, and the bytes it reads."""
    counting = CountingBytes(store)
    page: PageQuery | None = PageQuery()
    found = []
    while page:
        counting.calls.clear()
        counting.read = 0
        listing = await new_referrers(counting).list_referrers("a", OF_SUBJECT, artifact_type, page)
        found.append((len(listing.entries), len(counting.calls), counting.read))
        page = listing.next
    return found


LARGE = "y" * (7 * 2**19)


async def test_large_referrers_with_long_annotations_cost_no_more_than_they_bring(
    memory: MemoryStore, referrers: Referrers
) -> None:
    """20 of 3.5 MiB with annotations of 8 KiB cost 73 MB once, whatever type was requested."""
    note = {"note": "x" * 2**13}
    for number in range(20):
        await push(referrers, artifact(f"{number}", SBOM, annotations=note, padding=LARGE))
    assert await costs(memory, SIGNATURE) == [(0, 2, 0)]
    [(entries, calls, read)] = await costs(memory, SBOM)
    assert (entries, calls) == (20, 22)
    assert read < 20 * 9000


async def put_as_before(memory: MemoryStore, entry: Descriptor) -> None:
    """Leave an entry as earlier versions wrote it where annotations did not fit its metadata."""
    path = LAYOUT.referrer_link("a", OF_SUBJECT, entry.digest)
    await put_link(memory, path, Link.to(entry))


async def test_a_page_reads_few_manifests_of_entries_that_earlier_versions_wrote(
    memory: MemoryStore, referrers: Referrers
) -> None:
    for number in range(5):
        await put_as_before(memory, await push(referrers, artifact(f"{number}", padding=LARGE)))
    assert [entries for entries, _, _ in await costs(memory)] == [2, 2, 1]
    for entries, calls, read in await costs(memory, SBOM):
        assert entries == 0
        assert calls <= 4
        assert read <= 8 * 2**20 + 2048


@pytest.mark.parametrize("written", ["now", "before"])
async def test_a_page_makes_few_calls_for_long_annotations(
    memory: MemoryStore, referrers: Referrers, written: str
) -> None:
    note = {"note": "x" * 7200}
    for number in range(300):
        pushed = await push(referrers, artifact(f"{number}", annotations=note))
        if written == "before":
            await put_as_before(memory, pushed)
    found = await costs(memory)
    assert [(entries, calls) for entries, calls, _ in found] == [(256, 258), (44, 46)]


async def test_a_page_looks_up_few_manifests_of_a_fallback_index(memory: MemoryStore) -> None:
    theirs = [Descriptor(media_types.OCI_MANIFEST, Digest.of(b"%d" % i), i) for i in range(300)]
    await push_fallback_index(memory, *theirs)
    found = await costs(memory)
    assert [entries for entries, _, _ in found] == [256, 44]
    assert all(calls <= 259 for _, calls, _ in found)


async def test_a_page_ends_where_storage_returns_only_empty_pages(memory: MemoryStore) -> None:
    store = EmptyPages(memory)
    listing = await new_referrers(store).list_referrers("a", OF_SUBJECT, None, PageQuery())
    assert listing.next is not None
    assert store.take().count("list_page") == 8


async def test_a_listing_continues_after_an_entry_that_was_deleted(referrers: Referrers) -> None:
    contents = [artifact(f"{i}") for i in range(6)]
    pushed = in_order(*[await push(referrers, content) for content in contents])
    first = await referrers.list_referrers("a", OF_SUBJECT, None, PageQuery(2))
    assert first.next is not None
    gone = {entry.digest for entry in pushed[1:3]}
    for content in contents:
        if Digest.of(content) in gone:
            manifest = parse_manifest(content)
            entry = await referrers.look("a", manifest)
            assert entry
            await referrers.remove("a", manifest, entry.etag)
    second = await referrers.list_referrers("a", OF_SUBJECT, None, first.next)
    assert [*first.entries, *second.entries] == [*pushed[:2], *pushed[3:5]]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "ü",
        "e30=",
        "////",
        *(
            urlsafe_b64encode(text.encode()).decode()
            for text in (
                '["elsewhere", null]',
                '["a"]',
                '["a", 1]',
                "[1, null]",
                '["a", "sha256:x"]',
                "[" * 100_000,
                "1",
            )
        ),
    ],
)
async def test_a_token_that_was_never_returned_is_refused(referrers: Referrers, token: str) -> None:
    with pytest.raises(PaginationNumberInvalid):
        await referrers.list_referrers("a", OF_SUBJECT, None, PageQuery(token=token))
