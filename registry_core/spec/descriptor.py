"""Descriptors: the media type, digest and size of content.

Source: OCI image-spec, "OCI Content Descriptors".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self, TypeGuard

from .digest import Digest

# JSON can spell half of a surrogate pair, which could never be written out again as UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")

_KINDS: Mapping[type, str] = {
    bool: "a boolean",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "a string",
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """``size`` is in bytes. ``urls`` are places other than the registry that have the content."""

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] | None = field(default=None, hash=False)
    artifact_type: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the descriptor's JSON object, without the fields that are unknown."""
        document: dict[str, object] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.urls:
            document["urls"] = list(self.urls)
        if self.annotations is not None:
            document["annotations"] = dict(self.annotations)
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        return document

    @classmethod
    def of_json(cls, document: object) -> Self:
        """Return the descriptor that a JSON value describes: the inverse of `to_json`.

        :raises ValueError: naming the field that is missing or malformed.
        :raises DigestInvalid: its digest is malformed.
        """
        if not isinstance(document, dict):
            raise _mismatch("it", document, "a descriptor")
        media_type = text_field(document, "mediaType")
        if not media_type:
            raise ValueError("mediaType is missing")
        digest = text_field(document, "digest")
        if digest is None:
            raise ValueError("digest is missing")
        return cls(
            media_type,
            Digest.parse(digest),
            _size(document),
            urls=_urls(document),
            annotations=text_map_field(document, "annotations"),
            artifact_type=text_field(document, "artifactType"),
        )


def text_field(document: Mapping[str, object], name: str) -> str | None:
    """Return a string of a JSON object; None if it is null or missing.

    :raises ValueError: it is not a string, or one that cannot be encoded as UTF-8.
    """
    value = document.get(name)
    if value is not None and not _is_text(value):
        raise _mismatch(name, value, "a string")
    return value


def text_map_field(document: Mapping[str, object], name: str) -> Mapping[str, str] | None:
    """Return a map of strings to strings of a JSON object; None if it is null or missing.

    :raises ValueError: it is not such a map.
    """
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _mismatch(name, value, "a map of strings to strings")
    for key, entry in value.items():
        if not _is_text(key):
            raise ValueError(f"{name} has a key that is {json_kind(key)}")
        if not _is_text(entry):
            raise _mismatch(f"{name}[{key[:160]!r}]", entry, "a string")
    return value


def json_kind(value: object) -> str:
    """Return what a value of a JSON document is, in words: "a list", "null"."""
    if isinstance(value, str) and not _is_text(value):
        return "text that cannot be encoded as UTF-8"
    return "null" if value is None else _KINDS[type(value)]


def _mismatch(place: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{place} is {json_kind(value)}, not {expected}")


def _size(document: Mapping[str, object]) -> int:
    size = document.get("size")
    # "in bytes ... int64"
    if type(size) is not int or not 0 <= size < 2**63:
        raise ValueError("size is not a number of bytes: an integer from 0 to 2^63-1")
    return size


def _urls(document: Mapping[str, object]) -> tuple[str, ...]:
    urls = document.get("urls")
    if urls is None:
        return ()
    if not isinstance(urls, list):
        raise _mismatch("urls", urls, "a list of strings")
    for position, url in enumerate(urls):
        if not _is_text(url):
            raise _mismatch(f"urls[{position}]", url, "a string")
    return tuple(urls)


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and (value.isascii() or not _SURROGATE.search(value))
