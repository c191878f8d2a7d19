"""Pages of referrers on the memory store: every referrer is on exactly one of them."""

import json
from base64 import urlsafe_b64encode

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.errors import PaginationNumberInvalid
from registry_core.spec.manifest import parse_manifest
from registry_core.storage.referrers import Referrers
from tests.support.listings import SparsePages
from tests.support.referrers import (
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
            await referrers.remove("a", manifest, entry)
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
