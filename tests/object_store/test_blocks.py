"""Block lists as storage returns them, those of other programs included."""

from __future__ import annotations

import base64

import pytest

from registry_core.object_store.interface import BlockListInvalid, ConditionFailed, StagedBlocks
from tests.contracts.object_store import make_block_id
from tests.support.scripted_storage import FROM_STORAGE, Instead, ScriptedStorage
from tests.support.store_calls import opened_over

pytestmark = pytest.mark.anyio


def answer(committed: list[str], uncommitted: list[tuple[str, int]]) -> Instead:
    """Return an answer of Get Block List with names as they are."""
    rows = "".join(f"<Block><Name>{name}</Name><Size>1</Size></Block>" for name in committed)
    staged = "".join(
        f"<Block><Name>{name}</Name><Size>{size}</Size></Block>" for name, size in uncommitted
    )
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><BlockList><CommittedBlocks>{rows}'
        f"</CommittedBlocks><UncommittedBlocks>{staged}</UncommittedBlocks></BlockList>"
    )
    return Instead(200, headers=FROM_STORAGE | {"ETag": '"1"'}, body=body.encode())


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "name, block_id",
    [
        (encoded(make_block_id("1").encode()), make_block_id("1")),
        (encoded(bytes(range(200, 216))), encoded(bytes(range(200, 216)))),
        ("block-1", "block-1"),
        ("abcde", "abcde"),
        ("not base64!", "not base64!"),
        ("Größe", "Größe"),
    ],
    ids=["ours", "not text", "not base64", "not padded", "a sentence", "not ASCII"],
)
async def test_an_id_that_cannot_be_ours_is_returned_as_storage_has_it(
    scripted: ScriptedStorage, name: str, block_id: str
) -> None:
    scripted.answers = [answer([name], [])]
    async with opened_over(scripted) as store:
        assert await store.committed_blocks("a") == ('"1"', [block_id])


async def test_a_commit_over_the_blocks_of_another_program_is_not_taken_for_its_own(
    scripted: ScriptedStorage,
) -> None:
    async with opened_over(scripted) as store:
        scripted.answers = [Instead(500, "InternalError"), Instead(412, "ConditionNotMet")]
        scripted.answers.append(answer(["abcde"], []))
        with pytest.raises((ConditionFailed, BlockListInvalid)):
            await store.commit("staged", [make_block_id("1")])
    assert len(scripted.received) == 3


async def test_only_uncommitted_blocks_are_counted(scripted: ScriptedStorage) -> None:
    scripted.answers = [answer(["YQ=="], [("Yg==", 8 * 2**20), ("abcde", 4000 * 2**20)])]
    async with opened_over(scripted) as store:
        assert await store.uncommitted_blocks("a") == StagedBlocks(2, 4008 * 2**20)
