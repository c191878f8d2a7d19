"""What the manifests of a repository name, kept between runs: content never changes.

So a daily run reads one object for each repository instead of one for each manifest. A record that
is damaged, or of another version, is ignored, and the manifests are read.

A record is a list of lines of JSON, one for each manifest: its digest, the digests that it needs,
those of its subjects, and the seconds after which its tags expire, or null.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from ...object_store.errors import NotFound, StoreRefused, TooLarge
from ...object_store.interface import ObjectStore
from ...spec.digest import Digest
from ...spec.errors import DigestInvalid
from ...storage.layout import Layout

FEWEST = 4
"""A repository with fewer manifests has no record: to read them costs as little."""

# To be raised when `manifest_names` finds something else in the same manifest.
_VERSION = "1"

# Bytes: some 80 for each digest that a manifest names. In memory each takes twice as many.
_LIMIT = 32 * 2**20


@dataclass(frozen=True, slots=True)
class References:
    """What a manifest names: see `ManifestNames`. ``expires_after`` is what its annotations say."""

    digest: Digest
    needed: Sequence[Digest]
    subjects: Sequence[Digest]
    expires_after: timedelta | None = None

    def to_line(self) -> bytes:
        """Return a line of a record."""
        seconds = None if self.expires_after is None else self.expires_after.total_seconds()
        needed, subjects = [list(map(str, each)) for each in (self.needed, self.subjects)]
        fields = [str(self.digest), needed, subjects, seconds]
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def of_line(cls, line: bytes) -> References:
        """Return what a line says. :raises ValueError: something else wrote it."""
        try:
            digest, needed, subjects, seconds = json.loads(line)
            return cls(
                Digest.parse(digest),
                [Digest.parse(each) for each in needed],
                [Digest.parse(each) for each in subjects],
                None if seconds is None else timedelta(seconds=seconds),
            )
        except (TypeError, DigestInvalid, OverflowError) as error:
            raise ValueError(f"not a line of references: {error}") from error


@dataclass
class ReferenceRecord:
    """The record of one repository."""

    store: ObjectStore
    layout: Layout
    repository: str

    async def load(self) -> list[References]:
        """Return what the record says; nothing if it is missing or unusable. One call."""
        try:
            found = await self.store.get(self._path, limit=_LIMIT)
        except (NotFound, TooLarge, StoreRefused):
            return []
        metadata = found.properties.metadata
        if metadata.get("version") != _VERSION:
            return []
        return await asyncio.to_thread(_parse, found.content, metadata.get("checksum", ""))

    async def save(self, references: Sequence[References]) -> None:
        """Write the record over an earlier one. One call, none if it would be too large."""
        content, checksum = await asyncio.to_thread(_build, references)
        if len(content) <= _LIMIT:
            metadata = {"version": _VERSION, "checksum": checksum}
            await self.store.put(self._path, content, metadata=metadata)

    @property
    def _path(self) -> str:
        return self.layout.gc_reference(self.repository)


def _parse(content: bytes, checksum: str) -> list[References]:
    if _checksum(content) != checksum:
        return []
    try:
        return [References.of_line(line) for line in content.splitlines()]
    except ValueError:
        return []


def _build(references: Sequence[References]) -> tuple[bytes, str]:
    content = b"\n".join(each.to_line() for each in references)
    return content, _checksum(content)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
