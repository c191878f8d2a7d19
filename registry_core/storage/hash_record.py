"""Records of how far staged content is hashed, so that a later request goes on.

A record lies beside the content, at a path of its own: whoever has the URL that stages the content
can write the content and its metadata, and must not be able to say what it hashes to. It belongs to
one version of the content, by ETag.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace

from ..object_store.errors import ConditionFailed, NotFound, TooLarge
from ..object_store.interface import IF_ABSENT, Condition, ObjectStore, if_match
from ..spec.digest import SHA256, Digest, Hasher, new_hasher, resume_hasher
from ..spec.errors import DigestInvalid

_LIMIT = 4 * 2**10  # bytes


@dataclass(frozen=True)
class HashRecord:
    """How far the content with ``etag``, of ``size`` bytes, is hashed.

    ``offset`` bytes are, and ``state`` is the hash's after them. ``digest`` is that of all of it.
    ``version``: the ETag of the record itself; None if it is not stored.
    """

    etag: str
    size: int
    algorithm: str = SHA256
    offset: int = 0
    state: bytes | None = None
    digest: Digest | None = None
    version: str | None = None

    def of_algorithm(self, algorithm: str) -> HashRecord:
        """Return the record if it is of this algorithm; else a new one of the same content."""
        if self.algorithm == algorithm:
            return self
        return HashRecord(self.etag, self.size, algorithm, version=self.version)

    def resume(self) -> tuple[Hasher, int]:
        """Return a hasher, and how many bytes it has seen: none if the state is of no use here."""
        hasher = resume_hasher(self.algorithm, self.state) if self.state else None
        return (hasher, self.offset) if hasher else (new_hasher(self.algorithm), 0)

    def encode(self) -> bytes:
        """Return the record as it is stored."""
        fields: dict[str, object] = {
            "etag": self.etag,
            "size": self.size,
            "algorithm": self.algorithm,
            "offset": self.offset,
        }
        if self.state is not None:
            fields["state"] = b64encode(self.state).decode()
        if self.digest is not None:
            fields["digest"] = str(self.digest)
        return json.dumps(fields).encode()

    @property
    def condition(self) -> Condition:
        """The condition to write it on: it is still the one that was read, or there is none."""
        return if_match(self.version) if self.version else IF_ABSENT


def _decode(content: bytes, version: str) -> HashRecord | None:
    """Return the record; None if another release wrote it and this one cannot read it."""
    try:
        fields = json.loads(content)
        return HashRecord(
            str(fields["etag"]),
            int(fields["size"]),
            str(fields["algorithm"]),
            int(fields["offset"]),
            b64decode(fields["state"], validate=True) if "state" in fields else None,
            Digest.parse(fields["digest"]) if "digest" in fields else None,
            version,
        )
    except (ValueError, KeyError, TypeError, DigestInvalid):
        return None


async def read_hash_record(store: ObjectStore, path: str) -> HashRecord | None:
    """Return the record at a path; None if it is missing or cannot be read. One call."""
    try:
        found = await store.get(path, limit=_LIMIT)
    except (NotFound, TooLarge):
        return None
    return _decode(found.content, found.properties.etag)


async def write_hash_record(store: ObjectStore, path: str, record: HashRecord) -> HashRecord | None:
    """Write a record and return it; None if another request has written one. One call."""
    try:
        version = await store.put(path, record.encode(), condition=record.condition)
    except ConditionFailed:
        return None
    return replace(record, version=version)
