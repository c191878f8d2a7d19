"""Whether an identity has the roles that the registry needs, found out without changing anything.

learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory: storage looks at
permissions before it looks at the blob.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from azure.core import MatchConditions

from ..interface import ConditionFailed, NotFound, StoreUnavailable
from .calls import NotSignedIn
from .connection import Connection
from .signing import DelegatedSigner

_NO_ETAG = '"0x0"'


class CheckedConnection(Connection):
    """A connection that can say what is missing before a client meets it."""

    async def check_access(self, path: str, *, writes: bool = True, signs: bool = True) -> None:
        """Ask for each permission once. Two calls, at the same time; with a key none.

        ``path`` is one that nothing lies at, among those that the registry uses: roles may be
        bound to paths. ``writes`` and ``signs`` say whether the registry will change something,
        and make signed URLs: it does for redirects, and for copies. The key for them is kept.

        :raises StoreUnavailable: naming the role, the account and the container, and the identity.
        """
        signer = self._signer
        if not isinstance(signer, DelegatedSigner):
            return
        asked: list[Coroutine[Any, Any, None]] = [
            self._try_to_write(path) if writes else self._try_to_read(path)
        ]
        if signs:
            asked.append(signer.get_ready())
        results = await asyncio.gather(*asked, return_exceptions=True)
        missing = []
        for result in results:
            if isinstance(result, NotSignedIn) or not isinstance(result, StoreUnavailable | None):
                raise result
            if result is not None:
                missing.append(str(result))
        if missing:
            raise StoreUnavailable("; ".join(missing))

    async def _try_to_read(self, path: str) -> None:
        try:
            async with self._calling("check_access", path):
                await self._blob(path).get_blob_properties()
        except NotFound:
            return

    async def _try_to_write(self, path: str) -> None:
        """A Put Blob on a condition that no blob meets, nor the lack of one."""
        try:
            async with self._calling("check_access", path):
                await self._blob(path).upload_blob(
                    b"", etag=_NO_ETAG, match_condition=MatchConditions.IfNotModified
                )
        except (ConditionFailed, NotFound):
            return
