"""Records of deletions: their values, and how they are stored.

A record's content is JSON and says everything. Its metadata say what a listing shows, as far as
they have room; they are an index, never the truth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self
from urllib.parse import quote, unquote

from ..spec.descriptor import text_field, text_map_field
from ..spec.digest import Digest
from ..spec.errors import DigestInvalid, ManifestUnknown, NameInvalid
from ..spec.manifest import load_json
from ..spec.names import is_settable_tag, parse_name

MOST_TAGS = 10_000
"""The most tags that one record names. A manifest with more keeps the others' names nowhere."""

MAX_RECORD_BYTES = 8 * 2**20
"""More than a manifest of 4 MiB that consists of digests, and `MOST_TAGS`, take in a record."""

_VERSION = 1

_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{16}")

# Characters of names and reasons, and bytes of tags, in metadata: storage takes 8 KiB in all, and
# a character may take 12 bytes.
_LONGEST = 150
_TAGS_BYTES = 1024


class TrashKind(StrEnum):
    """What was deleted. Of a blob, that is the repository's link to it."""

    MANIFEST = "manifest"
    TAG = "tag"
    BLOB = "blob"


class TrashUnknown(ManifestUnknown):
    """The record does not exist: it was purged, or what it names was restored."""


class TrashUnreadable(Exception):
    """A record is damaged, or of a later version: what it names is not known."""


@dataclass(frozen=True)
class TrashRecord:
    """A deletion: what was deleted, and what it takes to restore it.

    :ivar id: its name in the trash; begins with the time, so that names sort by it.
    :ivar digest: of the manifest or blob, or of the manifest that the tag pointed to.
    :ivar tags: the tag, or those that pointed to the manifest and were deleted with it.
    :ivar subject: the subject of a manifest.
    :ivar digests: all that must stay while the record does: every digest that the manifest names,
        its own, and the contents of aliases.
    :ivar aliases: of blobs that CNCF distribution keeps under another digest, that one.
    :ivar deleted_by: the name of the caller, or what else deleted it; empty if unknown.
    :ivar reason: why, for people; empty where the caller needs none.
    :ivar pushed_by: the name of the caller who had pushed the manifest, if known.
    """

    id: str
    kind: TrashKind
    repository: str
    digest: Digest
    deleted: datetime
    media_type: str | None = None
    size: int | None = None
    tags: tuple[str, ...] = ()
    subject: Digest | None = None
    digests: frozenset[Digest] = field(default=frozenset(), repr=False)
    aliases: Mapping[Digest, Digest] = field(default_factory=dict, hash=False, repr=False)
    deleted_by: str = ""
    reason: str = ""
    pushed_by: str = ""

    def to_json(self) -> bytes:
        """Return the record's content."""
        return json.dumps(
            {
                "version": _VERSION,
                "kind": self.kind,
                "repository": self.repository,
                "digest": str(self.digest),
                "mediaType": self.media_type,
                "size": self.size,
                "tags": self.tags,
                "subject": str(self.subject) if self.subject else None,
                "digests": sorted(map(str, self.digests)),
                "aliases": {str(one): str(other) for one, other in self.aliases.items()},
                "deleted": int(self.deleted.timestamp()),
                "deletedBy": self.deleted_by,
                "reason": self.reason,
                "pushedBy": self.pushed_by,
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def of_json(cls, ident: str, content: bytes) -> Self:
        """Return the record in an object's content: the inverse of `to_json`.

        :raises TrashUnreadable: the content is something else.
        """
        try:
            return cls._parse(ident, load_json(content.decode()))
        except (ValueError, RecursionError, DigestInvalid, NameInvalid) as error:
            raise TrashUnreadable(f"{ident} is not the record of a deletion: {error}") from None

    @classmethod
    def _parse(cls, ident: str, document: object) -> Self:
        if not isinstance(document, dict) or document.get("version") != _VERSION:
            raise ValueError(f"it is not a JSON object of version {_VERSION}")
        tags = _texts(document, "tags")
        if not all(map(is_settable_tag, tags)):
            raise ValueError("one of the tags is not valid")
        aliases = text_map_field(document, "aliases") or {}
        subject = text_field(document, "subject")
        digest = Digest.parse(_text(document, "digest"))
        return cls(
            ident,
            TrashKind(_text(document, "kind")),
            parse_name(_text(document, "repository")),
            digest,
            _time(document.get("deleted")),
            text_field(document, "mediaType"),
            _size(document.get("size")),
            tags,
            Digest.parse(subject) if subject else None,
            frozenset({digest, *map(Digest.parse, _texts(document, "digests"))}),
            {Digest.parse(one): Digest.parse(other) for one, other in aliases.items()},
            _text(document, "deletedBy"),
            _text(document, "reason"),
            _text(document, "pushedBy"),
        )

    def metadata(self) -> dict[str, str]:
        """Return the metadata of the record's object: what a listing shows."""
        named: list[str] = []
        room = _TAGS_BYTES
        for tag in self.tags:
            room -= len(tag) + 1
            if room < 0:
                break
            named.append(tag)
        fields = {
            "kind": str(self.kind),
            "repository": self.repository,
            "digest": str(self.digest),
            "mediatype": _escape(self.media_type or ""),
            "size": "" if self.size is None else str(self.size),
            "tags": " ".join(named),
            "tagcount": str(len(self.tags)),
            "subject": str(self.subject) if self.subject else "",
            "deleted": str(int(self.deleted.timestamp())),
            "deletedby": _escape(self.deleted_by),
            "reason": _escape(self.reason),
        }
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True)
class TrashEntry:
    """A deletion as a listing shows it: as in `TrashRecord`, but for these.

    :ivar etag: of the record's object.
    :ivar kind: None if the record is damaged; then it has neither repository nor digest.
    :ivar tags: the first ones. :ivar number_of_tags: the number of all.
    """

    id: str
    etag: str
    deleted: datetime
    kind: TrashKind | None = None
    repository: str = ""
    digest: Digest | None = None
    media_type: str | None = None
    size: int | None = None
    tags: tuple[str, ...] = ()
    number_of_tags: int = 0
    subject: Digest | None = None
    deleted_by: str = ""
    reason: str = ""

    @classmethod
    def of_metadata(cls, ident: str, etag: str, metadata: Mapping[str, str]) -> Self:
        """Return the entry that a record's metadata describe.

        :raises ValueError, DigestInvalid, NameInvalid: they do not describe one.
        """
        subject = metadata.get("subject")
        size, number = metadata.get("size", ""), metadata.get("tagcount", "")
        return cls(
            ident,
            etag,
            _time(int(metadata.get("deleted", ""))),
            TrashKind(metadata.get("kind", "")),
            parse_name(metadata.get("repository", "")),
            Digest.parse(metadata.get("digest", "")),
            unquote(metadata.get("mediatype", "")) or None,
            int(size) if size else None,
            tuple(metadata.get("tags", "").split()),
            int(number),
            Digest.parse(subject) if subject else None,
            unquote(metadata.get("deletedby", "")),
            unquote(metadata.get("reason", "")),
        )

    @classmethod
    def of_record(cls, record: TrashRecord, etag: str) -> Self:
        """Return the entry of a record that was read."""
        return cls.of_metadata(record.id, etag, record.metadata())


def is_trash_id(text: str) -> bool:
    """Return whether a text is the id of a record."""
    return _ID.fullmatch(text) is not None


def trash_id(deleted: datetime, chance: str) -> str:
    """Return the id of a record. ``chance``: 16 hex digits."""
    return f"{deleted.astimezone(UTC):%Y%m%dT%H%M%SZ}-{chance}"


def _escape(text: str) -> str:
    return quote(text[:_LONGEST], safe="/:+@()=,", errors="replace")


def _text(document: Mapping[str, object], name: str) -> str:
    text = text_field(document, name)
    if text is None:
        raise ValueError(f"{name} is missing")
    return text


def _texts(document: Mapping[str, object], name: str) -> tuple[str, ...]:
    values = document.get(name)
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return tuple(values)
    raise ValueError(f"{name} is not a list of texts")


def _size(value: object) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise ValueError("size is not a number of bytes")


def _time(value: object) -> datetime:
    # More does not fit a datetime.
    if type(value) is not int or not 0 <= value < 10**11:
        raise ValueError("deleted is not a Unix time")
    return datetime.fromtimestamp(value, UTC)
