"""However much a request is about, other requests get their turn of the event loop in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import TagInfo
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.manifest import MAX_MANIFEST_BYTES, parse_manifest
from registry_core.spec.media_types import OCI_INDEX, OCI_MANIFEST
from registry_core.spec.references import fallback_tag
from registry_core.storage import link_metadata, manifests, references, referrers, tags
from registry_core.storage.links import put_link
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import descriptor, image_manifest, push_manifest
from tests.support.listings import LAYOUT, put_revision
from tests.support.referrers import new_referrers
from tests.support.turns import counting_turns

pytestmark = pytest.mark.anyio

MANY = 2000
LARGE = 2**17
SUBJECT = image_manifest(b"the subject")


async def put_tags(store: MemoryStore, count: int) -> None:
    await put_revision(store)
    for number in range(count):
        await store.put(LAYOUT.tag_link("r", f"v{number}"), str(Digest.of(b"{}")).encode())


async def test_of_many_tags_some_are_made_in_one_turn(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_tags(memory, MANY)
    with counting_turns() as turns:
        monkeypatch.setattr(tags, "TagInfo", turns.counted(TagInfo))
        listing = await StoredRegistry(memory).list_tags("r", ALL)
    assert (len(listing.entries), turns.calls, turns.most) == (MANY, MANY, 500)


async def test_of_many_manifests_some_are_described_in_one_turn(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MANY):
        manifest = parse_manifest(image_manifest(annotations={"n": str(number)}))
        link = link_metadata.revision_link(manifest, None, pushed=1, pushed_by="")
        await put_link(memory, LAYOUT.revision_link("r", manifest.digest), link)
    with counting_turns() as turns:
        read = turns.counted(link_metadata.read_manifest_info)
        monkeypatch.setattr(manifests, "read_manifest_info", read)
        listing = await StoredRegistry(memory).list_manifests("r", ALL)
    assert (len(listing.entries), turns.calls, turns.most) == (1000, 1000, 64)


async def test_of_many_referrers_a_few_are_read_in_one_turn(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = new_referrers(memory)
    for number in range(40):
        content = image_manifest(
            subject=descriptor(SUBJECT, OCI_MANIFEST),
            annotations={"n": str(number)},
        )
        await entries.add("r", parse_manifest(content))
    with counting_turns() as turns:
        read = turns.counted(link_metadata.read_referrer)
        monkeypatch.setattr(referrers, "read_referrer", read)
        listing = await entries.list_referrers("r", Digest.of(SUBJECT), None, ALL)
    assert (len(listing.entries), turns.calls, turns.most) == (40, 40, 8)


class Threads:
    """Which threads call the functions of a module."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.seen: dict[str, threading.Thread] = {}

    def watch(self, owner: object, names: Sequence[str]) -> None:
        for name in names:
            self._monkeypatch.setattr(owner, name, self._watched(name, getattr(owner, name)))

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.seen[name] = threading.current_thread()
            return function(*args, **kwargs)

        return call


@pytest.mark.parametrize("size", [100, LARGE])
async def test_whatever_goes_through_all_of_a_large_manifest_does_so_in_a_thread(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    registry = StoredRegistry(memory, require_blobs=False)
    content = image_manifest(
        subject=descriptor(SUBJECT, OCI_MANIFEST),
        annotations={"a": "x" * size},
    )
    threads = Threads(monkeypatch)
    threads.watch(references, ["_unique"])
    threads.watch(manifests, ["revision_link"])
    threads.watch(referrers, ["referrer_link"])
    await push_manifest(registry, "r", "v1", content)
    assert set(threads.seen) == {"_unique", "revision_link", "referrer_link"}
    for name, thread in threads.seen.items():
        assert (thread is threading.main_thread()) is (size < LARGE), name


async def test_a_large_index_of_a_client_is_merged_in_a_thread(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = StoredRegistry(memory, require_children=False, max_references=MANY)
    subject = Digest.of(SUBJECT)
    listed = [descriptor(b"%d" % n, OCI_MANIFEST) for n in range(MANY)]
    index = {"schemaVersion": 2, "manifests": listed}
    index |= {"mediaType": OCI_INDEX}
    content = link_metadata.to_text(index).encode()
    assert LARGE < len(content) < MAX_MANIFEST_BYTES
    await push_manifest(registry, "r", fallback_tag(subject), content)
    threads = Threads(monkeypatch)
    threads.watch(referrers, ["_between", "_listed_in"])
    listing = await registry.list_referrers("r", subject, None, ALL)
    assert listing.entries == ()  # none of them is in the repository
    assert threading.main_thread() not in threads.seen.values()
    assert set(threads.seen) == {"_between", "_listed_in"}
