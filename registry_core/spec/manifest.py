"""Manifests: parsed far enough to know what they reference, and validated.

Sources: OCI image-spec, "OCI Image Manifest Specification" and "OCI Image Index Specification";
Docker "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn, TypeGuard

from . import media_types
from .descriptor import Descriptor
from .digest import Digest
from .errors import DigestInvalid, ManifestInvalid

_FIELDS = {
    name.casefold(): name
    for name in (
        *("schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests"),
        *("subject", "annotations", "fsLayers"),
    )
}
_DESCRIPTOR_FIELDS = {
    name.casefold(): name
    for name in ("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType")
}

# One for each value. No real manifest of 4 MiB comes near, and the interpreter does nothing else
# while it makes them: so many take a tenth of a second.
_MAX_DELIMITERS = 2**18


@dataclass(frozen=True)
class Manifest:
    """An image manifest or an image index. ``manifests`` is what an index lists."""

    media_type: str
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] | None = field(default=None, hash=False)

    @property
    def required_blobs(self) -> tuple[Descriptor, ...]:
        """What must be in the repository as a blob before this manifest may be.

        A layer that is not to be distributed may be absent if its ``urls`` say where else it is.
        """
        blobs = (self.config, *self.layers) if self.config else self.layers
        return tuple(
            b for b in blobs if not (b.urls and media_types.is_non_distributable(b.media_type))
        )


def parse_manifest(content: bytes, content_type: str | None = None) -> Manifest:
    """What ``content`` says, read as the type that its ``mediaType`` or ``content_type`` names.

    :param content_type: the header it came with, if any; it must agree with ``mediaType``.
    :raises ManifestInvalid: naming the field that is wrong.
    """
    document = _load(content)
    media_type = _media_type(document, content_type)
    is_index = media_type in media_types.INDEXES
    if is_index and "manifests" not in document:
        _fail("manifests is missing")
    return Manifest(
        media_type,
        config=None if is_index else _descriptor(document.get("config"), "config"),
        layers=_descriptors(document, "layers"),
        manifests=_descriptors(document, "manifests"),
        subject=_optional_descriptor(document, "subject"),
        artifact_type=_text(document, "artifactType"),
        annotations=_annotations(document),
    )


def detect_media_type(content: bytes) -> str:
    """The media type of a stored manifest, from the document alone.

    OCI documents may leave ``mediaType`` out; then what they hold tells them apart. For all that
    `parse_manifest` takes, it is the same type; but it judges less, since other registries, which
    check less, may have stored the manifest. They took Docker's schema 1, too.

    :raises ManifestInvalid: when it is no manifest of a known type.
    """
    document = _load(content, strict=False)
    if document.get("schemaVersion") == 1:
        signed = "signatures" in document
        return media_types.DOCKER_SCHEMA_1_SIGNED if signed else media_types.DOCKER_SCHEMA_1
    return _known(_text(document, "mediaType") or _guess(document))


def _media_type(document: Mapping[str, object], content_type: str | None) -> str:
    version = document.get("schemaVersion")
    if type(version) is not int or version != 2:
        _fail("schemaVersion must be 2; Docker's schema 1 is not supported")
    _refuse_lookalikes(document, _FIELDS)
    stated = _text(document, "mediaType")
    header = media_types.bare(content_type) if content_type else ""
    if header and stated and header != stated:
        _fail(f"mediaType {stated[:160]!r} disagrees with Content-Type {header[:160]!r}")
    media_type = _known(stated or header or _guess(document))
    if media_type in media_types.DOCKER and not stated:
        _fail("mediaType is missing, which only OCI manifests may leave out")
    _refuse_fields_of_others(document, media_type)
    return media_type


def _known(media_type: str) -> str:
    if media_type not in media_types.MANIFESTS:
        known = ", ".join(sorted(media_types.MANIFESTS))
        _fail(f"mediaType {media_type[:160]!r} is not that of a manifest; known are {known}")
    return media_type


def _refuse_fields_of_others(document: Mapping[str, object], media_type: str) -> None:
    # CVE-2021-41190: clients do not agree on what reads as both a manifest and an index.
    others = ("config", "layers") if media_type in media_types.INDEXES else ("manifests",)
    for name in (*others, "fsLayers"):
        if document.get(name) is not None:
            _fail(f"{name} does not belong in a document of type {media_type}")


def _guess(document: Mapping[str, object]) -> str:
    if document.get("manifests") is not None:
        return media_types.OCI_INDEX
    if document.get("config") is not None:
        return media_types.OCI_MANIFEST
    if "manifests" not in document:
        _fail("mediaType is missing, and neither config nor manifests tells what this is")
    return media_types.OCI_INDEX


def _refuse_lookalikes(document: Mapping[str, object], names: Mapping[str, str]) -> None:
    """Go's decoder takes ``Layers`` for ``layers`` and ours does not: nobody is to profit."""
    for key in document:
        name = names.get(key.casefold(), key)
        if name != key:
            _fail(f"{key[:160]!r} differs from {name} only in its case")


def _load(content: bytes, *, strict: bool = True) -> Mapping[str, object]:
    hook = _object if strict else None
    if strict and sum(content.count(delimiter) for delimiter in b",[{") > _MAX_DELIMITERS:
        _fail("too many values")
    try:
        # Decoded here, since json by itself takes UTF-16 and byte order marks too; clients do not.
        document = json.loads(
            content.decode(), object_pairs_hook=hook, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"manifest is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        _fail("not a JSON object")
    return document


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        # Parsers differ in which of the two they take, so a digest would not settle the meaning.
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {key[:160]!r} occurs twice in one object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _descriptors(document: Mapping[str, object], name: str) -> tuple[Descriptor, ...]:
    values = document.get(name)
    if values is None:  # Go programs write an empty list as null
        return ()
    if not isinstance(values, list):
        _fail(f"{name} is not a list")
    return tuple(_descriptor(value, f"{name}[{i}]") for i, value in enumerate(values))


def _optional_descriptor(document: Mapping[str, object], name: str) -> Descriptor | None:
    value = document.get(name)
    return None if value is None else _descriptor(value, name)


def _descriptor(value: object, where: str) -> Descriptor:
    if not isinstance(value, dict):
        _fail(f"{where} is missing or not a descriptor")
    _refuse_lookalikes(value, _DESCRIPTOR_FIELDS)
    media_type = _text(value, "mediaType", where)
    if not media_type:
        _fail(f"{where}.mediaType is missing")
    return Descriptor(
        media_type,
        _digest(value, where),
        _size(value, where),
        urls=_urls(value, where),
        annotations=_annotations(value, where),
        artifact_type=_text(value, "artifactType", where),
    )


def _digest(document: Mapping[str, object], where: str) -> Digest:
    text = _text(document, "digest", where)
    if text is None:
        _fail(f"{where}.digest is missing")
    try:
        return Digest.parse(text)
    except DigestInvalid as error:
        raise ManifestInvalid(f"manifest invalid: {where}.digest: {error}") from error


def _size(document: Mapping[str, object], where: str) -> int:
    size = document.get("size")
    # "in bytes ... int64"
    if type(size) is not int or not 0 <= size < 2**63:
        _fail(f"{where}.size is not a number of bytes")
    return size


def _urls(document: Mapping[str, object], where: str) -> tuple[str, ...]:
    urls = document.get("urls")
    if urls is None:
        return ()
    if not isinstance(urls, list) or not all(_is_text(url) for url in urls):
        _fail(f"{where}.urls is not a list of texts")
    return tuple(urls)


def _text(document: Mapping[str, object], name: str, where: str = "") -> str | None:
    value = document.get(name)
    if value is not None and not _is_text(value):
        _fail(f"{_join(where, name)} is not a text")
    return value


def _annotations(document: Mapping[str, object], where: str = "") -> Mapping[str, str] | None:
    value = document.get("annotations")
    if value is None:
        return None
    if not isinstance(value, dict) or not all(map(_is_text, (*value, *value.values()))):
        _fail(f"{_join(where, 'annotations')} is not a map of texts to texts")
    return value


def _is_text(value: object) -> TypeGuard[str]:
    # JSON can spell half of a surrogate pair, which could never be written out again as UTF-8.
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _fail(message: str) -> NoReturn:
    raise ManifestInvalid(f"manifest invalid: {message}")
