"""A registry whose clients write to storage by themselves, with a storage that tests look into."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from registry_core.registry import ClaimUnfinished, DirectUpload, Registry, Upload
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import DigestInvalid, TooManyRequests
from registry_core.spec.staging import Staging
from registry_core.wrappers import Delegating
from tests.support.content import push_blob

STORAGE = "https://storage.test"
SECRET = "c2lnbmF0dXJl"
"""A part of each URL that permits to write."""


@dataclass
class Storage:
    """What clients have put, by upload id, and what was asked of the registry.

    ``busy``: whether the content that is looked at next is not hashed yet, in turn.
    """

    content: dict[str, bytes] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    claims: list[Mapping[Digest, int | None]] = field(default_factory=list)
    busy: list[bool] = field(default_factory=list)
    host: str = STORAGE

    def put(self, url: str, content: bytes) -> None:
        """Put what a client puts to a URL that it got."""
        assert url.startswith(self.host)
        self.content[url.split("/")[3].partition("?")[0]] = content

    def is_busy(self) -> bool:
        """Return whether the content that is looked at is not hashed yet."""
        return bool(self.busy) and self.busy.pop(0)


class StagingRegistry(Delegating):
    """Implements `Stager` over `Storage`."""

    def __init__(self, inner: Registry, storage: Storage, caller: str = "") -> None:
        super().__init__(inner)
        self.storage, self.caller = storage, caller

    def for_caller(self, caller: str) -> Self:
        return type(self)(self.inner.for_caller(caller), self.storage, caller)

    async def open_staging(self, upload: Upload) -> Staging | None:
        url = f"{self.storage.host}/{upload.id}?comp=block&sig={SECRET}"
        return Staging(url, datetime(2026, 11, 28, 15, 0, tzinfo=UTC), "0123456789abcdef")

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        if self.storage.is_busy():
            raise TooManyRequests("still checked; send it again", headers={"Retry-After": "1"})
        content = self.storage.content[upload.id]
        if Digest.of(content) != digest:
            raise DigestInvalid("the content has another digest")
        return await push_blob(self.inner, upload.repository, content)

    async def start_direct_upload(self, repository: str) -> DirectUpload | None:
        upload = Upload(repository, f"direct-{len(self.storage.owners)}")
        self.storage.owners[upload.id] = self.caller
        return DirectUpload(upload, f"{self.storage.host}/{upload.id}?comp=block&sig={SECRET}")

    async def claim_direct_uploads(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        self.storage.claims.append(dict(wanted))
        found: list[Digest] = []
        for upload_id, content in list(self.storage.content.items()):
            digest = Digest.of(content)
            size = wanted.get(digest, -1)
            is_own = self.storage.owners.get(upload_id) == self.caller
            if is_own and size in (None, len(content)):
                if self.storage.is_busy():
                    raise ClaimUnfinished(found)
                await push_blob(self.inner, repository, self.storage.content.pop(upload_id))
                found.append(digest)
        return found
