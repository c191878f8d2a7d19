"""Block lists as storage returns them, those of other programs included."""

from __future__ import annotations

import base64
import re

import pytest

from registry_core.object_store.azure import Limits, blocks
from registry_core.object_store.azure.errors import AnswerMalformed
from registry_core.object_store.errors import BlockListInvalid, ConditionFailed
from registry_core.object_store.interface import StagedBlocks
from tests.contracts.object_store import make_block_id
from tests.support.scripted_storage import FROM_STORAGE, Instead, ScriptedStorage
from tests.support.store_calls import opened_over
from tests.support.turns import counting_turns

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


async def test_long_lists_of_blocks_leave_other_tasks_their_turns(
    scripted: ScriptedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50,000 ids, as an object may have, take tenths of a second."""
    block_ids = [f"{number:023d}" for number in range(50_000)]
    names = [encoded(block_id.encode()) for block_id in block_ids]
    scripted.answers = [
        answer(names, []),
        answer([], [(name, 8 * 2**20) for name in names]),
        Instead(201, headers=FROM_STORAGE | {"ETag": '"1"'}),
    ]
    with counting_turns() as turns:
        for name in ("_decoded", "_found", "encode_block_id"):
            monkeypatch.setattr(blocks, name, turns.counted(getattr(blocks, name)))
        async with opened_over(scripted) as store:
            assert (await store.committed_blocks("a"))[1] == block_ids
            assert (await store.uncommitted_blocks("a")).number == len(block_ids)
            await store.commit("a", block_ids)
    assert turns.calls == 4 * len(block_ids)
    assert turns.most <= 2000
    sent = re.findall(rb"<Latest>([^<]*)</Latest>", scripted.received[-1].body)
    assert [name.decode() for name in sent] == names


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<BlockList><CommittedBlocks><Block><Size>1</Size></Block></CommittedBlocks></BlockList>",
        b"<BlockList><CommittedBlocks>" + b" " * 2**17 + b"</CommittedBlocks></BlockList>",
    ],
    ids=["nothing", "no name", "no row"],
)
async def test_a_malformed_list_is_not_taken_for_a_short_one(
    scripted: ScriptedStorage, body: bytes
) -> None:
    scripted.choose = lambda _: Instead(200, headers=FROM_STORAGE | {"ETag": '"1"'}, body=body)
    async with opened_over(scripted, limits=Limits(retries=0)) as store:
        with pytest.raises(AnswerMalformed, match="committed_blocks a: malformed list of blocks"):
            await store.committed_blocks("a")


async def test_the_two_lists_of_an_answer_are_not_mixed_up(scripted: ScriptedStorage) -> None:
    both = answer([encoded(make_block_id("1").encode())], [("Yg==", 5), ("Yw==", 6)])
    scripted.choose = lambda _: both
    async with opened_over(scripted) as store:
        assert (await store.committed_blocks("a"))[1] == [make_block_id("1")]
        assert await store.uncommitted_blocks("a") == StagedBlocks(2, 11)
