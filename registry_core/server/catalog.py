"""The catalog as one caller sees it: that of a registry without the repositories they may not see.

It is filtered before pages are cut: a page is filled with visible names, however many others lie
between them, and only a visible name behind it makes a link. What a page costs in calls, and so how
long it takes, depends on the others, but does not reveal their names, number and position.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from ..aio import in_slices
from ..auth.caller import Permissions
from ..registry import Lister, Listing
from ..spec.endpoints import PageQuery
from ..spec.names import NAME_MAX_LENGTH

MOST_LISTINGS = 8
"""How many listings of the registry one page of the catalog may take.

After them the page is returned as far as it is filled, with a link even though no visible name may
follow. This happens only where a caller may not see tens of thousands of repositories in a row, in
a place that the beginnings of their globs do not let the listing leave out. It tells them that the
registry is large, and, to whoever tries one beginning after another, from which name on fewer
follow.
"""

ROWS = 4999
"""Names in one listing. With the one it starts from, storage returns 5,000 in a call."""

# Rules of 64 KiB may compare each with a thousand globs.
_SEEN_IN_ONE_GO = 20

# The characters of repository names, and one that sorts behind all of them.
_CHARACTERS = "-./0123456789_abcdefghijklmnopqrstuvwxyz"
_BEHIND_ALL = "~"


async def list_visible(lister: Lister, permissions: Permissions, page: PageQuery) -> Listing[str]:
    """Return ``page.n`` of the repositories that the catalog may show to a caller, or what is left.

    The position of the next page is the registry's. It may contain names that must not be shown.

    :raises PaginationNumberInvalid: the page's token is not one that the registry returned.
    """
    n = page.n
    assert n is not None, "a page without a bound"
    beginnings = permissions.beginnings()
    query = page if page.token else _skip(beginnings, PageQuery(last=page_start(page)))
    # One more than is shown, to know whether a visible one follows. Most often those that follow a
    # visible one are visible, too; behind a link, the position may be far before the page.
    rows = ROWS if page.token else n + 1
    names: list[str] = []
    for _ in range(MOST_LISTINGS if n else 0):
        if query is None:
            return Listing(tuple(names))
        listing = await lister.list_repositories(replace(query, n=rows))
        names += await _visible(listing.entries, permissions)
        if len(names) > n:
            return Listing(tuple(names[:n]), PageQuery(n, names[n - 1], query.token))
        query, rows = _skip(beginnings, listing.next), ROWS
    return Listing(tuple(names), replace(query, n=n) if query and n else None)


def page_start(page: PageQuery) -> str | None:
    """Return the text that the page follows, as much of it as can matter: names are shorter."""
    return page.last and page.last[: NAME_MAX_LENGTH + 1]


async def _visible(names: Sequence[str], permissions: Permissions) -> list[str]:
    sees = permissions.sees
    return [name async for some in in_slices(names, _SEEN_IN_ONE_GO) for name in some if sees(name)]


def _skip(beginnings: Sequence[str], query: PageQuery | None) -> PageQuery | None:
    """Return the query, moved ahead to where the next visible name may be; None if none follows.

    :param beginnings: see `Permissions.beginnings`.
    """
    if query is None:
        return None
    last = query.last or ""
    index = bisect_right(beginnings, last)
    if index and last.startswith(beginnings[index - 1]):
        return query
    if index == len(beginnings):
        return None
    start = _before(beginnings[index])
    return PageQuery(last=start) if start > last else query


def _before(text: str) -> str:
    """Return a text after which ``text`` comes next, of all texts that names may begin with."""
    if text.endswith("/"):  # no name ends so: it need not be included
        return text
    start, character = text[:-1], text[-1:]
    lower = _CHARACTERS[: _CHARACTERS.find(character)]
    return start + lower[-1] + _BEHIND_ALL if lower else start
