"""Deletions in a batch: each answer counts for its own object, and a wrong one for none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from registry_core.object_store.azure import Limits
from registry_core.object_store.azure.errors import AccessDenied, AnswerMalformed, RequestInvalid
from registry_core.object_store.batches import MAX_BATCH, BatchRefused
from registry_core.object_store.errors import (
    CopyPending,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from registry_core.object_store.interface import UNCONDITIONAL, Condition, ObjectStore, if_match
from registry_core.object_store.memory import MemoryStore
from tests.contracts.object_store import CONTENT
from tests.support.batches import BOUNDARY, AnsweredPart, format_answers, parse_batch
from tests.support.managed_identity import IdentityEndpoint
from tests.support.scripted_storage import (
    FROM_STORAGE,
    Instead,
    Received,
    ScriptedStorage,
    scripted_storage,
)
from tests.support.secure_azurite import Trust
from tests.support.skipped_time import SkippedTime
from tests.support.store_calls import opened_over, signed_in_over

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("skipped_time")]

ABC: list[tuple[str, Condition]] = [(path, UNCONDITIONAL) for path in "abc"]
BUSY = Instead(503, "ServerBusy")
BROKEN = Instead(500, "InternalError")
TIMED_OUT = Instead(500, "OperationTimedOut")
THROTTLED = Instead(429, "TooManyRequests")
LEASED = Instead(412, "LeaseIdMissing")
IMMUTABLE = Instead(409, "BlobImmutableDueToPolicy")
COPIED_TO = Instead(409, "PendingCopyOperation")
"""Of an object to which somebody copies from a source of theirs, for as long as that takes."""
FORBIDDEN = Instead(403, "AuthorizationPermissionMismatch")
NOT_MET = Instead(412, "ConditionNotMet")
MULTIPART = FROM_STORAGE | {"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"}


@pytest.fixture
async def storage(scripted: ScriptedStorage) -> ScriptedStorage:
    """Storage with the objects a, b, c and d."""
    for path in "abcd":
        await scripted.store.put(path, CONTENT)
    return scripted


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


def answering(
    answers: dict[str, Sequence[Instead | None]],
) -> Callable[[Received], Instead | None]:
    """Return a choice of answers to the deletions of paths, one after the other."""
    left = {path: list(choices) for path, choices in answers.items()}

    def choose(part: Received) -> Instead | None:
        choices = left.get(part.path)
        return choices.pop(0) if choices else None

    return choose


def sent(request: Received) -> list[str]:
    """Return the paths of the deletions in a request."""
    parts = parse_batch(request.headers["Content-Type"], request.body)
    return [part.path.rpartition("/")[2] for part in parts]


def left_in(storage: ScriptedStorage) -> set[str]:
    return set(storage.store.objects) & set("abcd")


@pytest.mark.parametrize("instead", [BUSY, BROKEN, TIMED_OUT, THROTTLED], ids=lambda i: i.code)
async def test_only_what_storage_was_too_busy_for_is_sent_again(
    storage: ScriptedStorage, skipped_time: SkippedTime, instead: Instead
) -> None:
    storage.choose_part = answering({"a": [instead], "c": [instead, instead]})
    async with opened_over(storage) as store:
        assert await store.delete_batch([*ABC, ("missing", UNCONDITIONAL)]) == [
            *[True] * 3,
            False,
        ]
    assert list(map(sent, storage.received)) == [["a", "b", "c", "missing"], ["a", "c"], ["c"]]
    assert len(skipped_time.delays) == 2
    assert left_in(storage) == {"d"}


@pytest.mark.parametrize("instead", [BUSY, BROKEN, TIMED_OUT], ids=lambda i: i.code)
async def test_a_deletion_of_a_failed_part_that_took_place_is_recognised(
    storage: ScriptedStorage, instead: Instead
) -> None:
    storage.choose_part = answering({"a": [replace(instead, after=True)]})
    async with opened_over(storage) as store:
        assert await store.delete_batch(ABC) == [True] * 3


async def test_a_part_that_storage_did_not_execute_is_not_taken_for_a_success(
    storage: ScriptedStorage,
) -> None:
    """Only a 429 says so: after a 503 the deletion may have taken place."""
    storage.choose_part = answering({"missing": [THROTTLED], "a": [THROTTLED]})
    async with opened_over(storage) as store:
        deleted = await store.delete_batch([("missing", UNCONDITIONAL), ("a", UNCONDITIONAL)])
    assert deleted == [False, True]


@pytest.mark.parametrize("again", [None, NOT_MET], ids=["404", "412"])
@pytest.mark.parametrize(
    "lost", [BUSY, Instead(), Instead(502), Instead(200, body=b"<html>"), Instead(200)], ids=str
)
async def test_after_a_lost_answer_what_is_gone_counts_as_deleted(
    storage: ScriptedStorage, lost: Instead, again: Instead | None
) -> None:
    """The second attempt finds nothing; Azurite answers that with 412 if there is a condition."""
    kept = await storage.store.put("c", b"since")
    etags = [(await storage.store.head(path)).etag for path in "ab"]
    storage.answers = [replace(lost, after=True)]
    async with opened_over(storage) as store:
        storage.choose_part = lambda _: again if len(storage.received) > 1 else None
        items = [("a", if_match(etags[0])), ("b", if_match(etags[1])), ("c", if_match('"0x1"'))]
        assert await store.delete_batch(items) == [True, True, False]
    assert (await storage.store.head("c")).etag == kept


async def test_what_was_put_after_a_lost_answer_stays_and_is_not_deleted(
    storage: ScriptedStorage,
) -> None:
    seen = await storage.store.put("a", CONTENT)
    storage.answers = [Instead(after=True, meanwhile=lambda s: s.put("a", b"since"))]
    async with opened_over(storage) as store:
        assert await store.delete_batch([("a", if_match(seen))]) == [False]
    assert (await storage.store.get("a", limit=10)).content == b"since"


async def test_without_a_lost_answer_what_is_gone_is_not_counted(storage: ScriptedStorage) -> None:
    async with opened_over(storage) as store:
        assert await store.delete_batch(ABC) == [True] * 3
        assert await store.delete_batch(ABC) == [False] * 3
    assert len(storage.received) == 2


@pytest.mark.parametrize(
    "refusal, public",
    [(LEASED, "locked"), (IMMUTABLE, "immutability"), (COPIED_TO, "another program is writing")],
)
async def test_what_storage_refuses_is_named_after_the_others_are_deleted(
    storage: ScriptedStorage, refusal: Instead, public: str
) -> None:
    storage.choose_part = answering({"b": [refusal] * 9, "c": [BUSY], "d": [refusal] * 9})
    async with opened_over(storage) as store:
        with pytest.raises(BatchRefused, match=f"2 of 5 .*delete_batch b: .*{refusal.code}") as it:
            await store.delete_batch([*ABC, ("d", UNCONDITIONAL), ("missing", UNCONDITIONAL)])
    assert list(it.value.deleted) == [True, False, True, False, False]
    assert it.value.refused.keys() == {1, 3}
    assert isinstance(it.value.refused[3], StoreRefused | CopyPending)
    assert public in it.value.message
    assert left_in(storage) == {"b", "d"}
    assert list(map(sent, storage.received)) == [["a", "b", "c", "d", "missing"], ["c"]]


async def test_storage_that_stays_busy_is_unavailable_and_the_others_are_deleted(
    storage: ScriptedStorage,
) -> None:
    storage.choose_part = answering({"b": [BUSY] * 99, "c": [LEASED]})
    async with opened_over(storage, limits=Limits(throttled_retries=3)) as store:
        with pytest.raises(StoreUnavailable, match="delete_batch b: 503 ServerBusy"):
            await store.delete_batch(ABC)
    assert len(storage.received) == 4
    assert left_in(storage) == {"b", "c", "d"}


async def test_a_missing_permission_is_an_error_after_the_others_are_deleted(
    storage: ScriptedStorage,
) -> None:
    storage.choose_part = answering({"b": [FORBIDDEN], "c": [LEASED]})
    async with opened_over(storage) as store:
        with pytest.raises(AccessDenied, match="delete_batch b: 403"):
            await store.delete_batch(ABC)
    assert left_in(storage) == {"b", "c", "d"}


@pytest.mark.parametrize(
    "whole, kind, text",
    [
        (Instead(400, "InvalidInput"), RequestInvalid, "registry: 400 InvalidInput"),
        (Instead(404, "ResourceNotFound"), StoreUnavailable, "404 ResourceNotFound"),
        (Instead(412, "ConditionNotMet"), StoreUnavailable, "412 ConditionNotMet"),
        (Instead(404, "ContainerNotFound"), StoreUnavailable, "no container 'registry'"),
        (FORBIDDEN, AccessDenied, "403"),
    ],
    ids=str,
)
@pytest.mark.parametrize("as_part", [False, True])
async def test_what_concerns_the_whole_batch_says_nothing_of_its_objects(
    storage: ScriptedStorage, whole: Instead, kind: type[StoreError], text: str, *, as_part: bool
) -> None:
    """Storage may answer it in the body of a 202, as one part without a number."""
    if as_part:
        part = AnsweredPart(None, whole.status, {"x-ms-error-code": whole.code})
        whole = Instead(202, headers=MULTIPART, body=format_answers([part]))
    storage.answers = [whole]
    async with opened_over(storage) as store:
        with pytest.raises(kind, match=text) as caught:
            await store.delete_batch(ABC)
    assert type(caught.value) is kind
    assert len(storage.received) == 1


async def test_a_busy_storage_may_say_so_in_one_part_for_all(storage: ScriptedStorage) -> None:
    part = AnsweredPart(None, 503, {"x-ms-error-code": "ServerBusy"})
    storage.answers = [Instead(202, headers=MULTIPART, body=format_answers([part]))]
    async with opened_over(storage) as store:
        assert await store.delete_batch(ABC) == [True] * 3
    assert len(storage.received) == 2


def done(*numbers: str | None, status: int = 202) -> bytes:
    """Return the body of an answer that has these parts."""
    return format_answers([AnsweredPart(number, status, FROM_STORAGE) for number in numbers])


WRONG: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it has no end"),
    "no end": (done("0", "1", "2").removesuffix(b"--\r\n"), "it has no end"),
    "cut off": (done("0", "1", "2")[:-60], "it has no end"),
    "a part too few": (done("0", "2"), "2 of 3 parts"),
    "a part too many": (done("0", "1", "2", "3"), "4 of 3 parts"),
    "other numbers": (done("1", "2", "3"), "3 of 3 parts"),
    "a number twice": (done("0", "1", "1", "2"), "the same number"),
    "words for numbers": (done("0", "1", "two"), "3 of 3 parts"),
    "no number": (done("0", "1", None), "3 of 3 parts"),
    "one success for all": (done(None), "1 of 3 parts"),
    "no status": (done("0", "1", "2").replace(b"HTTP/1.1", b"FTP/1.1", 1), "no status"),
    "a long status": (done("0", "1", "2").replace(b" 202 ", b" 2020 ", 1), "no status"),
    "no parts": (b"--" + BOUNDARY.encode() + b"--\r\n", "0 of 3 parts"),
    "too much": (
        done("0", "1", "2").replace(b"Text of it", b"x" * 2**15, 1),
        "more than 16384 bytes",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_answer_that_is_not_to_the_batch_is_requested_again(
    storage: ScriptedStorage, wrong: str
) -> None:
    body, _ = WRONG[wrong]
    storage.answers = [Instead(202, headers=MULTIPART, body=body, after=True)]
    async with opened_over(storage) as store:
        assert await store.delete_batch(ABC) == [True] * 3
    assert len(storage.received) == 2


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_answer_that_stays_wrong_is_an_error_that_says_how(
    storage: ScriptedStorage, wrong: str
) -> None:
    body, text = WRONG[wrong]
    storage.choose = lambda _: Instead(202, headers=MULTIPART, body=body)
    async with opened_over(storage, limits=Limits(retries=1)) as store:
        with pytest.raises(AnswerMalformed, match=f"delete_batch registry: malformed.*{text}"):
            await store.delete_batch(ABC)
    assert len(storage.received) == 2


@pytest.mark.parametrize("kind", ["", "application/xml", "multipart/mixed", "multipart/mixed; b=c"])
async def test_an_answer_without_a_boundary_is_not_read(
    storage: ScriptedStorage, kind: str
) -> None:
    storage.choose = lambda _: Instead(
        202, headers=FROM_STORAGE | {"Content-Type": kind}, body=done("0", "1", "2")
    )
    async with opened_over(storage, limits=Limits(retries=0)) as store:
        with pytest.raises(AnswerMalformed, match="it has no boundary"):
            await store.delete_batch(ABC)


async def test_storage_may_be_silent_until_all_of_a_batch_is_done(
    storage: ScriptedStorage,
) -> None:
    async def take_time(_store: MemoryStore) -> None:
        await asyncio.sleep(0.5)

    storage.answers = [
        Instead(202, headers=MULTIPART, body=done("0", "1", "2"), meanwhile=take_time)
    ]
    async with opened_over(storage, limits=Limits(silence=0.1, total=0.1)) as store:
        assert await store.delete_batch(ABC) == [True] * 3
    assert len(storage.received) == 1


async def test_storage_that_does_not_answer_a_batch_is_not_waited_for_for_ever(
    storage: ScriptedStorage,
) -> None:
    storage.choose = lambda _: Instead(silent=True)
    limits = Limits(batch=0.1, retries=2, total=10)
    async with opened_over(storage, limits=limits) as store, asyncio.timeout(10):
        with pytest.raises(StoreUnavailable, match="delete_batch registry"):
            await store.delete_batch(ABC)
    assert len(storage.received) == 3


async def test_the_order_of_the_answers_does_not_matter(storage: ScriptedStorage) -> None:
    body = format_answers(
        [
            AnsweredPart("2", 404, {"X-MS-Error-Code": "BlobNotFound"}, b"<Error/>\r\n--other"),
            AnsweredPart("0", 202, {"X-Ms-Request-Id": "1"}),
            AnsweredPart("1", 412, {"x-ms-error-code": "ConditionNotMet"}),
        ],
        "quoted boundary".replace(" ", ":"),
    )
    content_type = 'Multipart/Mixed; boundary="quoted:boundary"'
    storage.answers = [
        Instead(202, headers=FROM_STORAGE | {"Content-Type": content_type}, body=body)
    ]
    async with opened_over(storage) as store:
        assert await store.delete_batch(ABC) == [True, False, False]


async def test_a_whole_batch_of_errors_can_be_read(storage: ScriptedStorage) -> None:
    """256 answers as long as Azurite's are less than the limit of what is read."""
    error = b"<?xml version='1.0'?><Error><Code>BlobNotFound</Code><Message>%s</Message></Error>"
    long = Instead(404, "BlobNotFound", body=error % (b"x" * 2500))
    storage.choose_part = lambda _: long
    async with opened_over(storage) as store:
        deleted = await store.delete_batch([("a", UNCONDITIONAL)] * MAX_BATCH)
    assert deleted == [False] * MAX_BATCH


async def test_each_part_is_a_deletion_of_its_own_within_the_container(
    storage: ScriptedStorage,
) -> None:
    async with opened_over(storage, limits=Limits(small_write=17)) as store:
        await store.delete_batch([("/a b/Größe", UNCONDITIONAL), ("x%2Fy", if_match('"0x1"'))])
    [request] = storage.received
    assert request.query == {"restype": "container", "comp": "batch", "timeout": "17"}
    first, second = parse_batch(request.headers["Content-Type"], request.body)
    assert [(part.content_id, part.method) for part in (first, second)] == [
        ("0", "DELETE"),
        ("1", "DELETE"),
    ]
    assert first.path == "/account/registry//a%20b/Gr%C3%B6%C3%9Fe"
    assert second.path == "/account/registry/x%252Fy"
    assert first.headers.keys() ^ second.headers.keys() == {"if-match"}
    assert second.headers["if-match"] == '"0x1"'
    for part in (first, second):
        assert part.headers["x-ms-delete-snapshots"] == "include"
        assert part.headers["content-length"] == "0"
        assert "x-ms-version" not in part.headers  # REST docs: that of the batch applies to all
    assert first.headers["authorization"] != second.headers["authorization"]


async def test_a_token_that_parts_do_not_accept_is_replaced(
    trust: Trust, shared_identity: IdentityEndpoint
) -> None:
    """It has expired between the check of the request and that of its parts."""
    async with scripted_storage(trust) as storage:
        for path in "abc":
            await storage.store.put(path, CONTENT)
        expired: list[str] = []

        def choose(part: Received) -> Instead | None:
            token = part.headers["Authorization"]
            if not expired and part.path == "b":
                expired.append(token)
            rejected = part.path != "a" and token in expired
            return Instead(401, "InvalidAuthenticationInfo") if rejected else None

        storage.choose_part = choose
        now = [1e9]
        async with signed_in_over(storage, trust, shared_identity, clock=lambda: now[0]) as store:
            await store.head("a")
            now[0] += 60
            assert await store.delete_batch(ABC) == [True] * 3
    assert [sent(request) for request in storage.received[1:]] == [["a", "b", "c"], ["b", "c"]]


async def test_an_account_key_that_parts_do_not_accept_is_an_error(
    storage: ScriptedStorage,
) -> None:
    storage.choose_part = lambda _: Instead(403, "AuthenticationFailed")
    async with opened_over(storage) as store:
        with pytest.raises(AccessDenied, match="the account key is wrong"):
            await store.delete_batch(ABC)
    assert len(storage.received) == 1


class Refusing(MemoryStore):
    """A store that refuses to delete b, and cannot delete c."""

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        if path == "b":
            raise StoreRefused("b is leased", public="locked")
        if path == "c":
            raise StoreUnavailable("c")
        await super().delete(path, condition=condition)


async def test_the_memory_store_settles_the_others_as_well() -> None:
    store: ObjectStore = Refusing()
    for path in "abcd":
        await store.put(path, CONTENT)
    with pytest.raises(BatchRefused, match=r"1 of 2 deletions were refused; .*b is leased") as it:
        await store.delete_batch([("b", UNCONDITIONAL), ("d", UNCONDITIONAL)])
    assert list(it.value.deleted) == [False, True]
    with pytest.raises(StoreUnavailable):
        await store.delete_batch(ABC)
    assert [entry.path for entry in (await store.list_page("")).entries] == ["b", "c"]
