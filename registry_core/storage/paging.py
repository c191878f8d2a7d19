"""Pages of names out of an object store's listings, without any state between them.

A link to the next page carries where storage goes on, so that reaching it costs one call.
"""

from __future__ import annotations

import base64
import sys
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..registry import Listing
from ..spec.endpoints import PageQuery
from ..spec.errors import PaginationNumberInvalid
from .object_store import ContinuationInvalid

MOST = 5000
"""Rows that storage gives in one call."""


@dataclass(frozen=True)
class Place:
    """Where a call to storage goes on (None: at the beginning), and how many rows it asks for."""

    continuation: str | None
    limit: int

    @property
    def token(self) -> str:
        """The place as text for a URL; `parse` is its inverse."""
        text = f"{self.limit}:{self.continuation or ''}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str) -> Place:
        """:raises PaginationNumberInvalid: it is no `token`."""
        try:
            text = base64.b64decode(token + "=" * (-len(token) % 4), altchars="-_", validate=True)
            limit, _, continuation = text.decode().partition(":")
            place = cls(continuation or None, int(limit))
        except ValueError:
            raise _not_ours() from None
        if not 0 < place.limit <= MOST:
            raise _not_ours()
        return place


Read = Callable[[Place, str], Awaitable[tuple[list[str], str | None]]]
"""One call's worth of names from a place, in lexical order, and where storage goes on, if it does.

Also told the last name that was listed. What comes later in storage must come later in lexical
order, too, or be among the names already.
"""


async def list_names(read: Read, page: PageQuery) -> Listing[str]:
    """The part of all names that ``page`` asks for. One call for each `MOST` that it passes over.

    A page that is not the last one may be short where filling it would cost a further call.

    :raises PaginationNumberInvalid: its token is none that was given out.
    """
    room = sys.maxsize if page.n is None else page.n
    if room == 0:
        return Listing(())
    token = page.token if page.n is not None else None
    last, found = page.last or "", list[str]()
    place = Place.parse(token) if token else Place(None, MOST if last else min(room, MOST))
    while True:
        try:
            names, continuation = await read(place, last)
        except ContinuationInvalid:
            raise _not_ours() from None
        behind = names[bisect_right(names, last) :]
        found += behind[: room - len(found)]
        last = found[-1] if found else last
        if behind and behind[-1] > last:
            # The next page reads the same rows, and as many more as it needs.
            limit = min(bisect_right(names, last) + room, MOST)
            token = Place(place.continuation, limit).token
            return Listing(tuple(found), PageQuery(page.n, last, token))
        if continuation is None:
            return Listing(tuple(found))
        place = Place(continuation, min(room, MOST) if found else MOST)
        if len(found) == room or (found and token):
            return Listing(tuple(found), PageQuery(page.n, last, place.token))


def _not_ours() -> PaginationNumberInvalid:
    return PaginationNumberInvalid("the link to this page is not valid (any more): start again")
