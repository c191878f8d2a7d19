"""Deletions of many objects in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .errors import CopyPending, StoreError, StoreRefused
from .interface import Condition

MAX_BATCH: Final = 256
"""The most objects that `ObjectStore.delete_batch` takes:
learn.microsoft.com/rest/api/storageservices/blob-batch"""


Refused = Mapping[int, StoreRefused | CopyPending]


class BatchRefused(StoreRefused):
    """Storage refuses some deletions of a batch, or cannot do them now; the others are settled.

    ``deleted`` is what `ObjectStore.delete_batch` would have returned, False for refused ones.
    ``refused`` has the reason for each of those, by its index in the batch.
    """

    def __init__(self, deleted: Sequence[bool], refused: Refused) -> None:
        first = next(iter(refused.values()))
        text = f"{len(refused)} of {len(deleted)} deletions were refused; the first: {first}"
        super().__init__(text, public=first.message)
        self.deleted = deleted
        self.refused = refused


def check_batch(items: Sequence[tuple[str, Condition]]) -> Sequence[tuple[str, Condition]]:
    """Return the items of a batch.

    :raises ValueError: there are more than `MAX_BATCH`.
    """
    if len(items) > MAX_BATCH:
        raise ValueError(f"{len(items)} deletions in one batch, more than {MAX_BATCH}")
    return items


def settled(outcomes: Sequence[bool | StoreError]) -> Sequence[bool]:
    """Return which objects of a batch were deleted, when all are settled.

    :raises StoreError: the first failure that is not a refusal.
    :raises BatchRefused: storage refused some.
    """
    refused: dict[int, StoreRefused | CopyPending] = {}
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, StoreRefused | CopyPending):
            refused[index] = outcome
        elif isinstance(outcome, StoreError):
            raise outcome
    deleted = [outcome is True for outcome in outcomes]
    if refused:
        raise BatchRefused(deleted, refused)
    return deleted
