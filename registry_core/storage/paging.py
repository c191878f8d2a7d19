"""Pages of names out of an object store's listings, without any state between them.

A page begins with one call wherever it begins: after a name of the client's (`start_from`), or,
where a link was followed, at the continuation that it carries.
"""

from __future__ import annotations

import base64
import re
import sys
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ..object_store.errors import ContinuationInvalid
from ..registry import Listing
from ..spec.endpoints import PageQuery
from ..spec.errors import PaginationNumberInvalid

MOST = 5000
"""Rows that storage returns in one call."""

MOST_DETAILED = 1000
"""The most entries with details on one page: each may cost calls of its own."""


@dataclass(frozen=True)
class Window:
    """What to request from storage in one call: at most ``limit`` rows, for names after ``last``.

    With a ``continuation``, the call continues there; without one, it starts from ``last``.
    """

    last: str
    continuation: str | None
    limit: int

    def start(self, names: re.Pattern[str]) -> str:
        """Return the text to start from, as much of ``last`` as matches; "" for the beginning.

        Storage refuses some characters, and a beginning of ``last`` is before all that follows it.
        """
        match = None if self.continuation else names.match(self.last)
        return match[0] if match else ""


Read = Callable[[Window], Awaitable[tuple[list[str], str | None]]]
"""Returns one call's worth of names, in lexical order, and the continuation, if there are more.

Names up to ``last`` may be among them: all of them where storage does not support `start_from`.
Names that are later in storage must be later in lexical order, too, or be among the names.
"""


async def list_names(
    read: Read,
    page: PageQuery,
    *,
    known: int = 1,
    most_calls: int = sys.maxsize,
    most: int | None = None,
) -> Listing[str]:
    """Return the page of all names that the query describes. One call for each `MOST` names.

    A page that is not the last one may be short where filling it would cost a further call, unless
    the client does not follow links.

    :param known: how many rows up to ``page.last`` a call that starts from it may return.
    :param most_calls: how many calls the page may cost. After them it may be short, or empty, and
        not be the last.
    :param most: the most names on a page, also without ``page.n``; None: any number.
    :raises PaginationNumberInvalid: its token is not one that was returned.
    """
    if most is not None:
        page = replace(page, n=min(most, most if page.n is None else page.n))
    room = sys.maxsize if page.n is None else page.n
    if room == 0:
        return Listing(())
    last, found = page.last or "", list[str]()
    token = page.token if page.n is not None else None
    continuation = _parse(token) if token else None
    limit = room + known if last and not token else room
    calls = 0
    while True:
        calls += 1
        names, continuation = await _call(read, Window(last, continuation, min(limit, MOST)))
        behind = names[bisect_right(names, last) :]
        found += behind[: room - len(found)]
        last = found[-1] if found else last
        if behind and behind[-1] > last:
            return Listing(tuple(found), PageQuery(page.n, last))
        if continuation is None:
            return Listing(tuple(found))
        if len(found) == room or (found and token) or calls == most_calls:
            return Listing(tuple(found), PageQuery(page.n, last, _token(continuation)))
        limit = room if found else MOST


async def _call(read: Read, window: Window) -> tuple[list[str], str | None]:
    try:
        return await read(window)
    except ContinuationInvalid:
        raise invalid_token() from None


def _token(continuation: str) -> str:
    return base64.urlsafe_b64encode(continuation.encode()).decode().rstrip("=")


def _parse(token: str) -> str:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars="-_", validate=True)
        return text.decode()
    except ValueError:
        raise invalid_token() from None


def invalid_token() -> PaginationNumberInvalid:
    """Return the error of a page whose token is not one that was returned."""
    return PaginationNumberInvalid("the link to this page is not valid (any more): start again")
