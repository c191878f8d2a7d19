"""Deletions of many blobs in one request, each on its own condition and authorized by itself.

What storage is too busy for, or fails at, is sent again without the rest, in a batch of its own,
like any other request: `BlobClient.send` decides how often. Storage refuses some for good, such as
blobs with a lease: they are reported when all others are settled. The request is one to the
container, and not to the account, since the role of an identity may be limited to the container.

learn.microsoft.com/rest/api/storageservices/blob-batch, delete-blob
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aiohttp import ClientResponse

from ...aio import for_each, in_slices
from ...observe import MAX_PARALLEL_CALLS
from ..batches import check_batch, settled
from ..errors import ConditionFailed, NotFound, StoreError, StoreUnavailable
from ..interface import Condition, ObjectStore, exists
from .client import RetryError
from .container import Container
from .error_codes import to_error
from .multipart import Part, PartAnswer, encode_parts, read_part_answers
from .properties import condition_headers
from .retries import Outcome, outcome_of
from .session import Attempts

DELETION = {"x-ms-delete-snapshots": "include"}
"""The header of a deletion: snapshots of the blob go with it."""

_AT_ONCE = 32  # signatures or answers between two turns of the event loop, in about a millisecond


@dataclass
class _Deletion:
    """A deletion of a batch, and what has become of it, None as long as that is open.

    ``may_be_done`` says whether an attempt may have been executed without an answer.
    """

    path: str
    condition: Condition
    outcome: bool | StoreError | None = None
    may_be_done: bool = False
    authorization: str = field(default="", repr=False)


class BlobDeleter:
    """Deletes blobs of a container, many in one request; ``store`` looks at single ones."""

    def __init__(self, store: ObjectStore, container: Container) -> None:
        self._store = store
        self._container = container

    async def delete(self, items: Sequence[tuple[str, Condition]]) -> Sequence[bool]:
        """See `ObjectStore.delete_batch`."""
        deletions = [_Deletion(path, condition) for path, condition in check_batch(items)]
        if deletions:
            await _Batch(self._container, deletions).send()
            await self._find_own_work(deletions)
        return settled([_known(deletion) for deletion in deletions])

    async def _find_own_work(self, deletions: Sequence[_Deletion]) -> None:
        """Recognise what an attempt without an answer has deleted, as `AzureBlobStore.delete` does.

        Azurite answers a conditional deletion of a missing blob with 412: one call for each.
        """

        async def look(deletion: _Deletion) -> None:
            deletion.outcome = not await exists(self._store, deletion.path)

        unclear = [deletion for deletion in deletions if deletion.may_be_done]
        for deletion in unclear:
            if isinstance(deletion.outcome, NotFound):
                deletion.outcome = True
        failed = [item for item in unclear if isinstance(item.outcome, ConditionFailed)]
        await for_each(failed, look, limit=MAX_PARALLEL_CALLS)


@dataclass
class _Batch:
    """Deletions that are sent together, those that are still open again and again."""

    container: Container
    deletions: Sequence[_Deletion]
    attempts: Attempts = field(default_factory=Attempts)
    sent: Sequence[_Deletion] = ()
    """Those of the latest request."""

    async def send(self) -> None:
        """Send the deletions until each has an outcome.

        :raises StoreUnavailable: storage cannot be used, or not for all of them.
        """
        boundary, limits = f"batch_{uuid.uuid4()}", self.container.client.limits
        try:
            await self.container.read(
                "delete_batch",
                "POST",
                None,
                self._settle,
                query={"restype": "container", "comp": "batch", **self.container.small_write()},
                headers={"Content-Type": f"multipart/mixed; boundary={boundary}"},
                make_body=lambda: self._body(boundary),
                seconds=limits.batch,
                silence=limits.batch,
                attempts=self.attempts,
            )
        except (NotFound, ConditionFailed) as error:  # of the batch, which is nobody's object
            raise StoreUnavailable(str(error)) from None

    async def _body(self, boundary: str) -> bytes:
        """Return the body of a request for what is still open, authorized anew."""
        client, name = self.container.client, self.container.name
        self.sent = [deletion for deletion in self.deletions if deletion.outcome is None]
        parts = []
        async for some in in_slices(self.sent, _AT_ONCE):
            for deletion in some:
                conditions = {**DELETION, **condition_headers(deletion.condition)}
                resource = f"{name}/{deletion.path}"
                path, headers = await client.authorized_part("DELETE", resource, conditions)
                deletion.authorization = headers["Authorization"]
                parts.append(Part("DELETE", path, headers))
        return encode_parts(parts, boundary)

    async def _settle(self, response: ClientResponse) -> bool:
        """Note what each answer means for its deletion.

        :raises RetryError: another attempt may get better answers to some, or to the batch.
        :raises StoreError: storage does not accept the batch.
        """
        lost = self.attempts.answer_lost
        answers = await read_part_answers(response, len(self.sent))
        request_id = response.headers.get("x-ms-request-id", "unknown")
        if isinstance(answers, PartAnswer):
            whole = _Failure.of(self.container, self.container.name, answers, request_id)
            raise whole.error if whole.outcome is Outcome.FINAL else RetryError(*whole)
        failures = []
        async for some in in_slices(list(zip(self.sent, answers, strict=True)), _AT_ONCE):
            for deletion, answer in some:
                deletion.may_be_done |= lost
                if answer.status < 300:
                    deletion.outcome = True
                    continue
                failure = _Failure.of(self.container, deletion.path, answer, request_id)
                if not self._is_final(deletion, answer, failure):
                    failures.append(failure)
        if failures:
            raise RetryError(*failures[0])
        return True

    def _is_final(self, deletion: _Deletion, answer: PartAnswer, failure: _Failure) -> bool:
        """Note a failed deletion. Returns whether another attempt would not help."""
        if answer.status == 401 and self.container.client.reject(deletion.authorization):
            return False
        if failure.outcome is Outcome.FINAL:
            deletion.outcome = failure.error
            return True
        deletion.may_be_done |= failure.outcome is not Outcome.REFUSED
        return False


class _Failure(NamedTuple):
    """What an error in the answer to a batch means."""

    error: StoreError
    outcome: Outcome

    @classmethod
    def of(
        cls, container: Container, subject: str, answer: PartAnswer, request_id: str
    ) -> _Failure:
        """Return what an answer means; ``request_id`` is that of the whole batch."""
        headers = {"x-ms-request-id": request_id, **answer.headers}
        target = container.client.target
        error = to_error("delete_batch", subject, answer.status, headers, answer.body, target)
        return cls(error, outcome_of(answer.status, headers))


def _known(deletion: _Deletion) -> bool | StoreError:
    """Return what has become of a deletion."""
    assert deletion.outcome is not None
    if isinstance(deletion.outcome, NotFound | ConditionFailed):
        return False
    return deletion.outcome
