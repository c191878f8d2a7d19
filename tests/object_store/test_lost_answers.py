"""After a lost answer a write recognises its own work, and never that of another writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.errors import ConditionFailed, NotFound, StoreError
from registry_core.object_store.interface import IF_ABSENT, if_match
from registry_core.object_store.memory import MemoryStore
from tests.contracts.object_store import content_of, make_block_id, stage
from tests.support.scripted_storage import Instead, ScriptedStorage
from tests.support.store_calls import opened_over

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("skipped_time")]

OLD, NEW, THEIRS = b"old", b"new", b"theirs"
OURS = {"by": "us"}
BLOCKS = [make_block_id("1"), make_block_id("2")]

LOST = {
    "503 ServerBusy": Instead(503, "ServerBusy"),
    "500 InternalError": Instead(500, "InternalError"),
    "500 OperationTimedOut": Instead(500, "OperationTimedOut"),
    "reset": Instead(),
    "502 of an intermediary": Instead(502, body=b"<html>Bad Gateway</html>"),
    "200 of an intermediary": Instead(200, body=b"<html>Sign in</html>"),
    "404 of an intermediary": Instead(404),
}
"""The answers that do not say whether the operation took place."""

Write = Callable[[AzureBlobStore, str], Awaitable[object]]

# Each is called with the ETag of what is at the path.
WRITES: dict[str, Write] = {
    "put if absent": lambda s, _: s.put("new", NEW, metadata=OURS, condition=IF_ABSENT),
    "put no bytes if absent": lambda s, _: s.put("new", b"", condition=IF_ABSENT),
    "put if match": lambda s, e: s.put("old", NEW, metadata=OURS, condition=if_match(e)),
    "set metadata if match": lambda s, e: s.set_metadata("old", OURS, condition=if_match(e)),
    "commit if absent": lambda s, _: s.commit("new", BLOCKS, condition=IF_ABSENT),
    "commit if match": lambda s, e: s.commit("old", BLOCKS, condition=if_match(e)),
    "delete": lambda s, _: s.delete("old"),
    "delete if match": lambda s, e: s.delete("old", condition=if_match(e)),
}


@pytest.fixture
async def etag(scripted: ScriptedStorage) -> str:
    """The ETag of the object ``old``; blocks are staged there and at ``new``."""
    etag = await scripted.store.put("old", OLD)
    for path in ("old", "new"):
        await stage(scripted.store, path, "1", NEW)
        await stage(scripted.store, path, "2", NEW)
    return etag


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_took_place_succeeds(
    scripted: ScriptedStorage, etag: str, write: str, lost: str
) -> None:
    scripted.answers = [replace(LOST[lost], after=True)]
    async with opened_over(scripted) as store:
        result = await WRITES[write](store, etag)
    path = scripted.received[0].path
    if write.startswith("delete"):
        assert path not in scripted.store.objects
    else:
        assert result == scripted.store.objects[path].properties.etag != etag


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_did_not_take_place_is_repeated(
    scripted: ScriptedStorage, etag: str, write: str, lost: str
) -> None:
    scripted.answers = [LOST[lost]]
    async with opened_over(scripted) as store:
        result = await WRITES[write](store, etag)
    path = scripted.received[0].path
    found = scripted.store.objects.get(path)
    assert (found and found.properties.etag) == result
    assert result != etag


@pytest.mark.parametrize("write", WRITES)
async def test_work_is_recognised_after_several_lost_answers(
    scripted: ScriptedStorage, etag: str, write: str
) -> None:
    scripted.answers = [
        Instead(503, "ServerBusy"),
        Instead(503, "ServerBusy", after=True),
        Instead(429, "TooManyRequests"),
        Instead(),
    ]
    async with opened_over(scripted) as store:
        await WRITES[write](store, etag)


Theirs = Callable[[MemoryStore], Awaitable[object]]


async def _commit_theirs(store: MemoryStore, path: str, blocks: list[str]) -> None:
    for name in blocks:
        await stage(store, path, name, THEIRS)
    await store.commit(path, [make_block_id(name) for name in blocks], metadata=OURS)


# What other writers leave: ours did not take place, and must not be taken for it.
OTHERS: dict[str, tuple[str, Theirs]] = {
    "other content": ("put if absent", lambda s: s.put("new", THEIRS, metadata=OURS)),
    "content of the same size": ("put if absent", lambda s: s.put("new", b"NEW", metadata=OURS)),
    "more content": ("put if absent", lambda s: s.put("new", NEW + b"!", metadata=OURS)),
    "content instead of none": ("put no bytes if absent", lambda s: s.put("new", THEIRS)),
    "metadata instead of none": (
        "put no bytes if absent",
        lambda s: s.put("new", b"", metadata=OURS),
    ),
    "other metadata": ("put if absent", lambda s: s.put("new", NEW, metadata={"by": "them"})),
    "no metadata": ("put if absent", lambda s: s.put("new", NEW)),
    "more metadata": ("put if absent", lambda s: s.put("new", NEW, metadata=OURS | {"a": "b"})),
    "an append blob": ("put no bytes if absent", lambda s: s.append("new", b"")),
    "a newer version": ("put if match", lambda s: s.put("old", THEIRS)),
    "a deletion": ("put if match", lambda s: s.delete("old")),
    "a version with other metadata": ("set metadata if match", lambda s: s.put("old", OLD)),
    "other metadata alone": (
        "set metadata if match",
        lambda s: s.set_metadata("old", {"by": "them"}),
    ),
    "other blocks": ("commit if absent", lambda s: _commit_theirs(s, "new", ["3", "4"])),
    "the first block": ("commit if absent", lambda s: _commit_theirs(s, "new", ["1"])),
    "the blocks in another order": (
        "commit if match",
        lambda s: _commit_theirs(s, "old", ["2", "1"]),
    ),
    "no blocks": ("commit if match", lambda s: s.put("old", NEW + NEW)),
    "a version after ours": ("delete if match", lambda s: s.put("old", THEIRS)),
}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("others", OTHERS)
async def test_the_work_of_another_writer_is_not_taken_for_its_own(
    scripted: ScriptedStorage, etag: str, others: str, lost: str
) -> None:
    write, meanwhile = OTHERS[others]
    theirs: dict[str, object] = {}

    async def write_theirs(store: MemoryStore) -> None:
        await meanwhile(store)
        theirs.update(store.objects)

    scripted.answers = [replace(LOST[lost], meanwhile=write_theirs)]
    async with opened_over(scripted) as store:
        with pytest.raises((ConditionFailed, NotFound)):
            await WRITES[write](store, etag)
    assert scripted.store.objects == theirs


@pytest.mark.parametrize("write", WRITES)
async def test_without_a_lost_answer_the_same_state_is_not_taken_for_its_own(
    scripted: ScriptedStorage, etag: str, write: str
) -> None:
    """As when two callers put the same: one of them has to see that it was the second."""
    async with opened_over(scripted) as store:
        await WRITES[write](store, etag)
        sent = len(scripted.received)
        with pytest.raises((ConditionFailed, NotFound)):
            await WRITES[write](store, etag)
    assert len(scripted.received) == sent + 1


async def test_a_deletion_does_not_succeed_for_what_was_put_after_it(
    scripted: ScriptedStorage, etag: str
) -> None:
    """Our deletion has taken place; the object at the path now is another one, and stays."""
    scripted.answers = [Instead(after=True, meanwhile=lambda s: s.put("old", THEIRS))]
    async with opened_over(scripted) as store:
        with pytest.raises(ConditionFailed):
            await store.delete("old", condition=if_match(etag))
    assert await content_of(scripted.store, "old") == THEIRS


@pytest.mark.parametrize("write", [name for name in WRITES if name != "delete"])
async def test_what_cannot_be_verified_is_not_a_success(
    scripted: ScriptedStorage, etag: str, write: str
) -> None:
    """The call that looks for its work fails: whether the write took place stays open."""
    scripted.answers = [Instead(503, "ServerBusy", after=True)]
    scripted.choose = lambda request: (
        None if request.method in ("PUT", "DELETE") else Instead(403, "AuthorizationFailure")
    )
    if write == "delete if match":
        scripted.choose = lambda request: Instead(
            *((412, "ConditionNotMet") if request.method == "DELETE" else (403, "Forbidden"))
        )
    async with opened_over(scripted, limits=Limits(retries=1)) as store:
        with pytest.raises(StoreError, match="403"):
            await WRITES[write](store, etag)


async def test_a_deletion_that_storage_answers_with_412_for_a_missing_object(
    scripted: ScriptedStorage, etag: str
) -> None:
    """As Azurite answers a conditional deletion of an object that is not there."""
    scripted.answers = [Instead(after=True), Instead(412, "ConditionNotMet")]
    async with opened_over(scripted) as store:
        await store.delete("old", condition=if_match(etag))
    assert [request.method for request in scripted.received] == ["DELETE", "DELETE", "HEAD"]
