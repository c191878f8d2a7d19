"""Blobs that a client puts to storage by itself, and that its manifest claims."""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64encode
from typing import Any

import pytest

from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.interface import StoredRange
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import ClaimUnfinished
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.errors import BlobUnknown
from registry_core.storage import direct_uploads, ranged_reads, staged_commit
from registry_core.storage.direct_uploads import LIFETIME_SECONDS, began, new_upload_id
from registry_core.storage.layout import Layout
from registry_core.storage.layout_parse import Kind, parse_path
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.clock import Clock
from tests.support.counting import CountingStore
from tests.support.staging import StagingMemory, put_block, put_direct

pytestmark = pytest.mark.anyio

ONE, OTHER = b"one layer of some bytes", b"another of equal length"
assert len(ONE) == len(OTHER)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_commit, "REREAD_DELAYS", (0.0, 0.0))


@pytest.fixture
def memory() -> StagingMemory:
    return StagingMemory()


def wanted(*contents: bytes) -> dict[Digest, int | None]:
    return {Digest.of(content): len(content) for content in contents}


def uploads(memory: MemoryStore) -> list[str]:
    return [path for path in (*memory.objects, *memory.staged) if "/_uploads/" in path]


async def has(registry: StoredRegistry, content: bytes, repository: str = "repository") -> bool:
    try:
        return (await registry.resolve_blob(repository, Digest.of(content))).size == len(content)
    except BlobUnknown:
        return False


async def test_a_claimed_upload_is_a_blob(registry: StoredRegistry, memory: StagingMemory) -> None:
    digest = await put_direct(registry, memory, ONE)
    assert not await has(registry, ONE)
    assert await registry.claim_direct_uploads("repository", wanted(ONE)) == {digest}
    assert await has(registry, ONE)
    assert memory.objects[Layout().content(digest)].content == ONE
    assert not uploads(memory)


async def test_uploads_of_equal_size_are_told_apart_by_their_content(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    await put_direct(registry, memory, ONE)
    await put_direct(registry, memory, OTHER)
    claimed = await registry.claim_direct_uploads("repository", wanted(ONE, OTHER))
    assert claimed == {Digest.of(ONE), Digest.of(OTHER)}
    assert await has(registry, ONE)
    assert await has(registry, OTHER)
    assert not uploads(memory)


async def test_content_that_nobody_wants_does_not_become_a_blob(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    await put_direct(registry, memory, OTHER)
    assert not await registry.claim_direct_uploads("repository", wanted(ONE))
    assert not await has(registry, OTHER)
    assert Layout().content(Digest.of(OTHER)) not in memory.objects


async def test_content_that_another_manifest_wants_is_kept_for_it_and_not_hashed_again(
    registry: StoredRegistry, memory: StagingMemory, store: CountingStore
) -> None:
    await put_direct(registry, memory, OTHER)
    await registry.claim_direct_uploads("repository", wanted(ONE))
    store.calls.clear()
    await registry.claim_direct_uploads("repository", wanted(OTHER))
    assert await has(registry, OTHER)
    assert "get_range" not in [name for name, _ in store.calls]
    assert not uploads(memory)


async def test_content_of_another_size_is_not_even_read(
    registry: StoredRegistry, memory: StagingMemory, store: CountingStore
) -> None:
    await put_direct(registry, memory, ONE + b"!")
    store.calls.clear()
    assert not await registry.claim_direct_uploads("repository", wanted(ONE))
    assert [name for name, _ in store.calls] == ["list_page", "uncommitted_blocks"]


async def test_a_digest_is_found_without_its_size(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    digest = await put_direct(registry, memory, ONE)
    await put_direct(registry, memory, OTHER + b"!")
    assert digest in await registry.claim_direct_uploads("repository", {digest: None})


async def test_without_a_size_whatever_has_to_be_hashed_becomes_a_blob(
    registry: StoredRegistry, memory: StagingMemory, store: CountingStore
) -> None:
    """The next blob that the client looks for costs one listing, and hashes nothing again."""
    for content in (ONE, OTHER, ONE):
        await put_direct(registry, memory, content)
    absent = Digest.of(b"nobody has this")
    made = await registry.claim_direct_uploads("repository", {absent: None})
    assert made == {Digest.of(ONE), Digest.of(OTHER)}
    assert await has(registry, ONE)
    assert await has(registry, OTHER)
    store.calls.clear()
    assert not await registry.claim_direct_uploads("repository", {absent: None})
    assert [name for name, _ in store.calls] == ["list_page"]


async def test_a_search_by_sha512_leaves_the_uploads_that_it_does_not_find(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    """Their manifests want them by sha256, as a rule."""
    digest = await put_direct(registry, memory, ONE)
    absent = Digest.of(b"nobody has this", SHA512)
    assert not await registry.claim_direct_uploads("repository", {absent: None})
    assert await registry.claim_direct_uploads("repository", wanted(ONE)) == {digest}


async def test_a_sha512_is_found(registry: StoredRegistry, memory: StagingMemory) -> None:
    await put_direct(registry, memory, ONE)
    digest = Digest.of(ONE, SHA512)
    assert await registry.claim_direct_uploads("repository", {digest: len(ONE)}) == {digest}


async def test_an_upload_that_was_made_twice_is_claimed_once(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    """A client that repeats a push begins another upload; what is left goes with collections."""
    digest = await put_direct(registry, memory, ONE)
    await put_direct(registry, memory, ONE)
    assert await registry.claim_direct_uploads("repository", wanted(ONE)) == {digest}
    assert len(uploads(memory)) == 1


@pytest.mark.parametrize("other", ["bob", "", "alic", "alice "])
async def test_uploads_of_other_callers_are_never_claimed(
    registry: StoredRegistry, memory: StagingMemory, other: str
) -> None:
    await put_direct(registry.for_caller("alice"), memory, ONE)
    assert not await registry.for_caller(other).claim_direct_uploads("repository", wanted(ONE))
    assert await registry.for_caller("alice").claim_direct_uploads("repository", wanted(ONE))


async def test_uploads_to_other_repositories_are_never_claimed(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    await put_direct(registry, memory, ONE)
    for other in ("repository/nested", "repositor", "other"):
        assert not await registry.claim_direct_uploads(other, wanted(ONE))


async def test_an_upload_cannot_be_hidden_behind_those_of_other_repositories(
    registry: StoredRegistry,
) -> None:
    """No component of a repository's name can look like an upload."""
    upload = await registry.start_direct_upload("repository")
    assert upload is None or upload.upload.id.startswith("_")


async def test_an_upload_is_claimed_within_a_day(memory: StagingMemory) -> None:
    clock = Clock(1_800_000_000)
    registry = StoredRegistry(memory, now=clock)
    await put_direct(registry, memory, ONE)
    clock.pass_by(LIFETIME_SECONDS)
    assert not await registry.claim_direct_uploads("repository", wanted(ONE))
    clock.pass_by(-1)
    assert await registry.claim_direct_uploads("repository", wanted(ONE))


async def test_the_latest_uploads_are_looked_at_first(memory: StagingMemory) -> None:
    clock = Clock(1_800_000_000)
    registry = StoredRegistry(memory, now=clock)
    ids = []
    for _ in range(3):
        upload = await registry.start_direct_upload("repository")
        assert upload is not None
        ids.append(upload.upload.id)
        clock.pass_by(0.01)
    assert sorted(ids) == ids[::-1]


async def test_what_a_claim_looks_at_is_bounded(
    memory: StagingMemory, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_uploads, "MOST", 10)
    clock = Clock(1_800_000_000)
    registry = StoredRegistry(store, now=clock)
    for number in range(50):
        await put_direct(registry, memory, ONE + bytes([number, 1]))
        clock.pass_by(1)
    await put_direct(registry, memory, OTHER)
    store.calls.clear()
    assert await registry.claim_direct_uploads("repository", wanted(OTHER))
    assert len([call for call in store.calls if call[0] == "uncommitted_blocks"]) == 10


async def test_a_claim_without_sizes_takes_the_latest_uploads(
    memory: StagingMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs some calls for each, and clients look for each blob before they upload it."""
    monkeypatch.setattr(direct_uploads, "MOST_WITHOUT_SIZE", 2)
    clock = Clock(1_800_000_000)
    registry = StoredRegistry(memory, now=clock)
    contents = [ONE + bytes([number]) for number in range(5)]
    for content in contents:
        await put_direct(registry, memory, content)
        clock.pass_by(1)
    await registry.claim_direct_uploads("repository", {Digest.of(OTHER): None})
    assert [await has(registry, content) for content in contents] == [False] * 3 + [True] * 2


async def test_an_upload_has_one_block(registry: StoredRegistry, memory: StagingMemory) -> None:
    """More is not what the clients of direct uploads send; hashing it would cost many calls."""
    upload = await registry.start_direct_upload("repository")
    assert upload is not None
    await put_block(memory, upload.url, ONE[:5])
    path = Layout().staged_upload("repository", upload.upload.id)
    await put_block(memory, f"memory:/{path}?blockid={b64encode(b'f' * 23).decode()}", ONE[5:])
    assert not await registry.claim_direct_uploads("repository", wanted(ONE))


async def test_what_its_owner_wrote_otherwise_is_not_published_as_it_is(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    """A version that the registry did not commit may have any properties."""
    upload = await registry.start_direct_upload("repository")
    assert upload is not None
    path = Layout().staged_upload("repository", upload.upload.id)
    await memory.put(path, ONE, metadata={"evil": "yes"})
    assert not await registry.claim_direct_uploads("repository", wanted(ONE))
    assert not await has(registry, ONE)


async def test_what_its_owner_committed_is_committed_again(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await registry.start_direct_upload("repository")
    assert upload is not None
    await put_block(memory, upload.url, ONE)
    path = Layout().staged_upload("repository", upload.upload.id)
    etag = await memory.commit(path, list(memory.staged[path]), metadata={"evil": "yes"})
    assert await registry.claim_direct_uploads("repository", wanted(ONE))
    assert etag, "the registry's own version was copied"
    content = memory.objects[Layout().content(Digest.of(ONE))]
    assert "evil" not in content.properties.metadata


async def test_an_append_blob_is_passed_over(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await registry.start_direct_upload("repository")
    assert upload is not None
    await memory.append(Layout().staged_upload("repository", upload.upload.id), ONE)
    assert not await registry.claim_direct_uploads("repository", wanted(ONE))


async def test_hashing_goes_on_with_the_next_request(
    memory: StagingMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged_reads, "RANGE", 8)
    seconds = itertools.count(1_800_000_000)
    registry = StoredRegistry(memory, hash_seconds=0, now=lambda: next(seconds))
    await put_direct(registry, memory, ONE)
    await put_direct(registry, memory, OTHER)
    claimed: set[Digest] = set()
    for _ in range(5):
        with pytest.raises(ClaimUnfinished) as refused:
            await registry.claim_direct_uploads("repository", wanted(ONE, OTHER))
        assert refused.value.headers["Retry-After"] == "1"
        claimed |= set(refused.value.claimed)
        # Another instance.
        registry = StoredRegistry(memory, hash_seconds=0, now=lambda: next(seconds))
    assert claimed == {Digest.of(ONE)}, "each request has hashed eight bytes"
    await registry.claim_direct_uploads("repository", wanted(OTHER))
    assert await has(registry, ONE)
    assert await has(registry, OTHER)
    assert not uploads(memory)


async def test_a_claim_that_does_not_come_to_its_end_says_what_is_a_blob_by_now(
    memory: StagingMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged_reads, "RANGE", 8)
    seconds = itertools.count(1_800_000_000)
    registry = StoredRegistry(memory, hash_seconds=0, now=lambda: next(seconds))
    short = await put_direct(registry, memory, b"short")
    await put_direct(registry, memory, ONE)
    with pytest.raises(ClaimUnfinished) as refused:
        await registry.claim_direct_uploads("repository", wanted(b"short", ONE))
    assert refused.value.claimed == {short}
    assert await has(registry, b"short")


async def test_a_claim_that_storage_ends_early_says_what_is_a_blob_by_now() -> None:
    """As the audit log has to have it. The same request again meets the failure, if it lasts."""

    class Failing(StagingMemory):
        async def commit(self, path: str, *args: Any, **options: Any) -> str:
            if self.commits:
                raise StoreUnavailable("storage fails")
            self.commits += 1
            return await super().commit(path, *args, **options)

        commits = 0

    memory = Failing()
    registry = StoredRegistry(memory)
    other = await put_direct(registry, memory, OTHER)
    await put_direct(registry, memory, ONE)
    with pytest.raises(ClaimUnfinished) as refused:
        await registry.claim_direct_uploads("repository", wanted(ONE, OTHER))
    assert set(refused.value.claimed) <= {Digest.of(ONE), other}
    assert [await has(registry, content) for content in (ONE, OTHER)].count(True) == 1
    with pytest.raises(StoreUnavailable):
        await registry.claim_direct_uploads("repository", wanted(ONE, OTHER))


class _Slow(StagingMemory):
    """A memory store that takes a while to be read."""

    async def get_range(self, *args: Any, **options: Any) -> StoredRange:
        await asyncio.sleep(0.01)
        return await super().get_range(*args, **options)


async def test_content_is_hashed_once_however_many_look_for_it_at_the_same_time() -> None:
    """A client looks for each blob before it uploads it: several at a time."""
    store = CountingStore(_Slow())
    registry = StoredRegistry(store)
    digest = await put_direct(registry, store, ONE)
    looks = [registry.claim_direct_uploads("repository", wanted(ONE)) for _ in range(5)]
    assert await asyncio.gather(*looks) == [{digest}] * 5
    assert [name for name, _ in store.calls].count("get_range") == 1


async def test_content_that_was_uploaded_again_is_hashed_once() -> None:
    """A client whose push fails before its manifest uploads all of it again."""
    store = CountingStore(_Slow())
    registry = StoredRegistry(store)
    for _ in range(2):
        digest = await put_direct(registry, store, ONE)
    assert await registry.claim_direct_uploads("repository", wanted(ONE)) == {digest}
    assert [name for name, _ in store.calls].count("get_range") == 1


async def test_a_claim_whose_time_has_passed_begins_with_no_further_upload(
    memory: StagingMemory, store: CountingStore
) -> None:
    registry = StoredRegistry(store, hash_seconds=0)
    for _ in range(5):
        await put_direct(registry, memory, OTHER)
    store.calls.clear()
    with pytest.raises(ClaimUnfinished):
        await registry.claim_direct_uploads("repository", wanted(ONE))
    assert [name for name, _ in store.calls].count("commit") == 1


async def test_of_uploads_of_one_size_the_oldest_is_hashed_first(
    memory: StagingMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the one that earlier requests have hashed most of."""
    monkeypatch.setattr(ranged_reads, "RANGE", 8)
    store, seconds = CountingStore(memory), itertools.count(1_800_000_000)
    registry = StoredRegistry(store, hash_seconds=0, now=lambda: next(seconds))
    await put_direct(registry, store, ONE)
    with pytest.raises(ClaimUnfinished):
        await registry.claim_direct_uploads("repository", wanted(ONE))
    await put_direct(registry, store, ONE)
    store.calls.clear()
    with pytest.raises(ClaimUnfinished):
        await registry.claim_direct_uploads("repository", wanted(ONE))
    read = [began(path.split("/")[-2]) or 0 for name, path in store.calls if name == "get_range"]
    assert read == [1_800_000_000]
    assert len(await registry.claim_direct_uploads("repository", wanted(ONE))) == 1


async def test_nothing_is_signed_where_clients_cannot_reach_storage(memory: StagingMemory) -> None:
    assert await StoredRegistry(MemoryStore()).start_direct_upload("repository") is None
    off = StoredRegistry(memory, direct_upload=False)
    assert await off.start_direct_upload("repository") is None


async def test_a_claim_without_uploads_costs_one_call(
    registry: StoredRegistry, store: CountingStore
) -> None:
    assert not await registry.claim_direct_uploads("repository", wanted(ONE))
    assert [name for name, _ in store.calls] == ["list_page"]


async def test_what_a_claim_costs(
    registry: StoredRegistry, memory: StagingMemory, store: CountingStore
) -> None:
    await put_direct(registry, memory, ONE)
    store.calls.clear()
    await registry.claim_direct_uploads("repository", wanted(ONE))
    assert [name for name, _ in store.calls] == [
        "list_page",
        "uncommitted_blocks",
        *("commit", "head", "get_range"),
        *("copy", "put", "delete"),
    ]


def test_an_upload_says_when_it_began() -> None:
    assert began(new_upload_id("alice", 1_800_000_000.5)) == 1_800_000_000.5
    assert began("5b1a1d3e-0000-4000-8000-000000000000") is None


@pytest.mark.parametrize("name", ["staged", "hashed"])
def test_uploads_are_recognised_by_their_paths(name: str) -> None:
    path = f"{Layout().uploads}some/name/{new_upload_id('alice', 1)}/{name}"
    place = parse_path(path)
    assert (place.kind, place.repository) == (Kind.UPLOAD, "some/name")
