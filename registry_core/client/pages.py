"""Pages of a listing: the link from one to the next, which leads to the same listing only.

Sources: RFC 8288; OCI distribution-spec, "Listing Tags" and "Listing Referrers".
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urljoin, urlsplit

from ..spec.endpoints import Endpoint
from ..spec.errors import PaginationNumberInvalid
from ..spec.routes import build
from .answers import Answer
from .meanings import malformed

_LINK: Final = re.compile(r"<([^<>]*)>((?:[^,<\"]|\"[^\"]*\")*)")
_NEXT: Final = re.compile(
    r";\s*rel\s*=\s*(?:\"(?:[^\"]*\s)?next(?:\s[^\"]*)?\"|next\b)", re.IGNORECASE
)


def next_page(answer: Answer, endpoint: Endpoint, base: str) -> str | None:
    """Return the path and query of the page that follows an answer; None after the last.

    :param base: the registry's URL.
    :raises Unavailable: the link leads to another host, to another listing, or back.
    """
    for target, parameters in _LINK.findall(answer.headers.get("Link", "")):
        if _NEXT.search(parameters):
            try:
                url = urlsplit(urljoin(urljoin(base, build(endpoint)), target))
            except ValueError:
                raise malformed("the link to the next page is not a valid URL") from None
            if url.netloc.lower() != urlsplit(base).netloc.lower():
                raise malformed(f"the link to the next page leads to another host, {url.netloc!r}")
            page = f"{url.path}?{url.query}"
            if not _is_of(endpoint, page):
                raise malformed("the link to the next page leads to something else")
            return page
    return None


def page_target(endpoint: Endpoint, token: str | None) -> Endpoint | str:
    """Return what to request for a page: the endpoint, or, with a token, where the link leads.

    :raises PaginationNumberInvalid: the token is not one of this listing.
    """
    if token is None:
        return endpoint
    if not _is_of(endpoint, token):
        raise PaginationNumberInvalid(
            "the link to this page is not one of the registry's for this listing; start again"
        )
    return token


def _is_of(endpoint: Endpoint, page: str) -> bool:
    return page.partition("?")[0] == build(endpoint).partition("?")[0]
