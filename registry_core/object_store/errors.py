"""What an object store raises."""

from __future__ import annotations

from ..spec.errors import Denied, Unavailable

_UNAVAILABLE = "storage cannot be used at present; the registry's log says why"
_REFUSED = "storage refuses this operation; the registry's log says why"


class StoreError(Exception):
    """An operation of the object store failed."""


class NotFound(StoreError):
    """No object is committed at the path."""


class ConditionFailed(StoreError):
    """The object does not, or no longer, fulfil the condition."""


class WrongKind(StoreError):
    """An object of another kind, such as an append blob, is at the path: delete it first."""


class BlockListInvalid(StoreError):
    """A commit named a block that is not, or no longer, staged."""


class TooLarge(StoreError):
    """The object has more bytes than the caller accepts."""


class RangeNotSatisfiable(StoreError):
    """The range begins beyond the end of the object."""


class ContinuationInvalid(StoreError):
    """The continuation of a listing is not valid."""


class StoreUnavailable(StoreError, Unavailable):
    """Storage cannot be reached, fails or denies access, after a limited number of retries.

    ``text`` is for the log; clients are shown ``public``.
    """

    def __init__(self, text: str, *, public: str = "") -> None:
        Unavailable.__init__(self, text, public=public or _UNAVAILABLE)


class CopyPending(StoreUnavailable):
    """Somebody else is copying to the object, which cannot be written or deleted until that ends.

    Storage serves all others meanwhile.
    """


class StoreRefused(StoreError, Denied):
    """Storage refuses the operation until somebody changes something: trying again is useless.

    The object is archived, for example, or immutable. ``text`` is for the log; clients are shown
    ``public``.
    """

    def __init__(self, text: str, *, public: str = "") -> None:
        Denied.__init__(self, public or _REFUSED, private=text)


class BlocksRefused(StoreRefused):
    """No block can be staged at the path, because of blocks that other uploads have left there."""


def contended(path: str) -> StoreUnavailable:
    """Return the error of an object that others write again and again."""
    return StoreUnavailable(
        f"{path} is written by others again and again",
        public="others are writing the same object; try again",
    )
