"""A registry that is not written to, for maintenance or for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from ..registry import Chunk, PushedManifest, Upload
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.endpoints import Reference
from ..spec.errors import Unsupported
from .undeletable import Undeletable


class ReadOnly(Undeletable):
    """Every write raises `Unsupported`."""

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        self._refuse()

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        self._refuse()

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        self._refuse()

    async def cancel_upload(self, upload: Upload) -> None:
        self._refuse()

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        self._refuse()

    async def push_manifest(
        self,
        repository: str,
        reference: Reference,
        content: bytes,
        content_type: str | None,
        tags: Sequence[str] = (),
    ) -> PushedManifest:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Unsupported("this registry is read-only at present")
