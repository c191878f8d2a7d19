"""A registry from which nothing is deleted. Uploads can be cancelled: they are nothing yet."""

from __future__ import annotations

from typing import NoReturn

from ..spec.digest import Digest
from ..spec.errors import Unsupported
from .delegating import Delegating


class Undeletable(Delegating):
    """Every deletion raises `Unsupported`."""

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        self._refuse()

    async def delete_manifest(self, repository: str, digest: Digest) -> None:
        self._refuse()

    async def delete_tag(self, repository: str, tag: str) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Unsupported("deletion is switched off on this registry")
