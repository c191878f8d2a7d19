"""Checks that an identity has the roles that the registry needs, without changing anything.

learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory: storage checks
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
    """A connection that can find missing permissions before a request does."""

    async def check_access(self, path: str, *, writes: bool = True, signs: bool = True) -> None:
        """Use each permission once. Two concurrent calls; none with an account key.

        ``path`` is a path without an object among those that the registry uses, as roles may be
        limited to paths. ``writes`` says whether the registry will write, ``signs`` whether it will
        sign URLs, which redirects and copies need. The signing key is kept for later use.

        :raises StoreUnavailable: a permission is missing; the text names the role, the account, the
            container and the identity.
        """
        signer = self._signer
        if not isinstance(signer, DelegatedSigner):
            return
        checks: list[Coroutine[Any, Any, None]] = [
            self._try_to_write(path) if writes else self._try_to_read(path)
        ]
        if signs:
            checks.append(signer.prepare())
        results = await asyncio.gather(*checks, return_exceptions=True)
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
        """Put a blob on a condition that cannot hold, whether there is a blob or not."""
        try:
            async with self._calling("check_access", path):
                await self._blob(path).upload_blob(
                    b"", etag=_NO_ETAG, match_condition=MatchConditions.IfNotModified
                )
        except (ConditionFailed, NotFound):
            return
