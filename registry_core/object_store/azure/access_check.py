"""Checks that an identity has the roles that the registry needs, without changing anything.

learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory: storage checks
permissions before it looks at the blob.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from ..errors import ConditionFailed, NotFound, StoreUnavailable
from .identity import NotSignedIn


async def check_all(*checks: Awaitable[object]) -> None:
    """Run checks at the same time, and raise what all of them have found.

    :raises StoreUnavailable: a check failed; the text has that of each.
    """
    results = await asyncio.gather(*checks, return_exceptions=True)
    missing: list[StoreUnavailable] = []
    for result in results:
        if isinstance(result, NotSignedIn):
            raise result  # the same for all
        if isinstance(result, StoreUnavailable):
            missing.append(result)
        elif isinstance(result, BaseException):
            raise result
    if missing:
        raise StoreUnavailable("; ".join(map(str, missing)), public=missing[0].message)


async def permits(call: Awaitable[object]) -> None:
    """Await a call that fails for want of an object, whether there is one or not."""
    try:
        await call
    except (ConditionFailed, NotFound):
        return
