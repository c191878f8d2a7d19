"""What a read returns is what was requested: any other answer is requested again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.azure.errors import AnswerMalformed
from registry_core.object_store.azure.listing import ListingMalformed
from registry_core.object_store.errors import RangeNotSatisfiable
from registry_core.object_store.interface import if_match
from tests.contracts.object_store import CONTENT
from tests.support.scripted_storage import CONTAINER, FROM_STORAGE, Instead, ScriptedStorage
from tests.support.store_calls import CALLS, opened_over

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("skipped_time")]

HEADERS = FROM_STORAGE | {"ETag": '"other"', "Last-Modified": "Sat, 07 Nov 2026 08:09:10 GMT"}


def part(covered: str, body: bytes) -> Instead:
    """Return an answer that has, as it says, the bytes ``covered`` of 10."""
    return Instead(206, headers=HEADERS | {"Content-Range": f"bytes {covered}/10"}, body=body)


WHOLE = Instead(200, headers=HEADERS, body=CONTENT)

WRONG: dict[str, tuple[str, Instead, str]] = {
    "an earlier range": ("get_range", part("1-3", b"123"), "bytes 1 to 3 instead of bytes 2 to 4"),
    "a shorter range": ("get_range", part("2-3", b"23"), "bytes 2 to 3 instead of bytes 2 to 4"),
    "a longer range": ("get_range", part("2-5", b"2345"), "bytes 2 to 5 instead of bytes 2 to 4"),
    "the whole object for a range": ("get_range", WHOLE, "bytes 0 to 9 instead of bytes 2 to 4"),
    "too few bytes of a range": ("get_range", part("2-4", b"23"), "1 of 3 bytes are missing"),
    "too many bytes of a range": ("get_range", part("2-4", b"234567"), "more arrived"),
    "none of a range": ("get_range", part("2-4", b""), "3 of 3 bytes are missing"),
    "a range in other units": ("get_range", part("two-4", b"234"), "malformed Content-Range"),
    "a range of the whole object": ("get", part("0-4", b"01234"), "bytes 0 to 4 instead of"),
    "too few bytes of the whole object": ("get", part("0-9", b"01234"), "5 of 10 bytes are"),
    "too many bytes of the whole object": ("get", part("0-9", CONTENT * 2), "more arrived"),
    "no ETag": ("head", replace(WHOLE, headers=HEADERS | {"ETag": ""}), "no ETag"),
    "no size": ("head", replace(WHOLE, headers=HEADERS | {"Content-Range": "x/*"}), "size of"),
    "no date": ("get", replace(WHOLE, headers=HEADERS | {"Last-Modified": ""}), "malformed date"),
    "blocks without an ETag": (
        "committed_blocks",
        Instead(
            200,
            headers=FROM_STORAGE,
            body=(
                b"<BlockList><CommittedBlocks><Block><Name>YQ==</Name><Size>1</Size></Block>"
                b"</CommittedBlocks></BlockList>"
            ),
        ),
        "no ETag",
    ),
    "half a list of blocks": (
        "uncommitted_blocks",
        Instead(200, headers=FROM_STORAGE, body=b"<BlockList><UncommittedBlocks>"),
        "malformed list of blocks: it has no end",
    ),
    "half a listing": (
        "list_page",
        Instead(200, headers=FROM_STORAGE, body=b"<EnumerationResults><Blobs>"),
        "malformed listing: it has no end",
    ),
    "a listing that is not text": (
        "list_page",
        Instead(200, headers=FROM_STORAGE, body=b"<EnumerationResults><Blobs>\xff\xfe"),
        "malformed listing: it has no end",
    ),
    "a write without an ETag": ("put", Instead(201, headers=FROM_STORAGE, after=True), "no ETag"),
    "new metadata without an ETag": (
        "set_metadata",
        Instead(200, headers=FROM_STORAGE, after=True),
        "no ETag",
    ),
    "a copy without an ETag": ("copy", Instead(202, headers=FROM_STORAGE, after=True), "no ETag"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_answer_is_requested_again_a_few_times(
    scripted: ScriptedStorage, wrong: str
) -> None:
    """The error names the operation, the path and what is wrong."""
    call, answer, problem = WRONG[wrong]
    scripted.choose = lambda _: answer
    async with opened_over(scripted) as store:
        with pytest.raises(AnswerMalformed, match=problem) as caught:
            await CALLS[call](store)
    assert len(scripted.received) == 1 + Limits().retries
    operation, path = {
        "get_range": ("get", "a"),
        "list_page": ("list", CONTAINER),
        "put": ("put", "b"),
        "copy": ("copy", "b"),
        "committed_blocks": ("committed_blocks", "blocks"),
        "uncommitted_blocks": ("uncommitted_blocks", "staged"),
    }.get(call, (call, "a"))
    assert str(caught.value).startswith(f"{operation} {path}: ")
    assert isinstance(caught.value, ListingMalformed) is (call == "list_page")


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_operation_succeeds_when_the_right_answer_follows_a_wrong_one(
    scripted: ScriptedStorage, wrong: str
) -> None:
    call, answer, _ = WRONG[wrong]
    async with opened_over(scripted) as store:
        expected = await CALLS[call](store)
        scripted.answers = [answer, answer]
        found = await CALLS[call](store)
    assert len(scripted.received) == 4
    assert isinstance(found, str) or found == expected  # each write has an ETag of its own


READS: dict[str, Callable[[AzureBlobStore, str], Awaitable[object]]] = {
    "get": lambda s, etag: s.get("a", limit=10, condition=if_match(etag)),
    "get_range": lambda s, etag: s.get_range("a", 0, 10, condition=if_match(etag)),
    "get no bytes": lambda s, etag: s.get_range("a", 0, 0, condition=if_match(etag)),
}


@pytest.mark.parametrize("read", READS)
async def test_the_answer_of_another_version_than_requested_is_not_returned(
    scripted: ScriptedStorage, read: str
) -> None:
    """As a cache in between might give it, which ignores `If-Match`."""
    async with opened_over(scripted) as store:
        etag = (await store.head("a")).etag
        scripted.answers = [WHOLE]
        await READS[read](store, etag)
        assert len(scripted.received) == 3
        scripted.choose = lambda _: WHOLE
        with pytest.raises(AnswerMalformed, match=f'the answer is of "other", not {etag}'):
            await READS[read](store, etag)


async def test_an_answer_that_does_not_name_a_range_has_the_whole_object(
    scripted: ScriptedStorage,
) -> None:
    """RFC 9110, section 14.2: a server may ignore the range of a request."""
    scripted.choose = lambda _: WHOLE
    async with opened_over(scripted) as store:
        assert (await store.get_range("a", 0, 10)).content == CONTENT
        assert (await store.get_range("a", 0, 1000)).content == CONTENT
        with pytest.raises(RangeNotSatisfiable):
            await store.get_range("a", 10, 1)
    assert len(scripted.received) == 3


async def test_a_conditional_write_whose_answer_had_no_etag_is_recognised(
    scripted: ScriptedStorage,
) -> None:
    """The second attempt meets the work of the first."""
    async with opened_over(scripted) as store:
        etag = (await store.head("a")).etag
        scripted.answers = [Instead(201, headers=FROM_STORAGE, after=True)]
        written = await store.put("a", b"new", condition=if_match(etag))
        assert written == (await store.head("a")).etag
    assert [request.method for request in scripted.received][-4:] == ["PUT", "PUT", "GET", "HEAD"]
