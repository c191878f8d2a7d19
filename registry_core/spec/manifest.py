"""Manifests: parsed far enough to know what they reference, and validated.

Sources: OCI image-spec, "OCI Image Manifest Specification" and "OCI Image Index Specification";
Docker "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from . import media_types
from .descriptor import Descriptor
from .digest import Digest
from .errors import DigestInvalid, ManifestInvalid


@dataclass(frozen=True)
class Manifest:
    """An image manifest or an image index. ``manifests`` is what an index lists."""

    media_type: str
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] | None = None

    @property
    def required_blobs(self) -> tuple[Descriptor, ...]:
        """What must be in the repository as a blob before this manifest may be."""
        blobs = (self.config, *self.layers) if self.config else self.layers
        return tuple(b for b in blobs if not media_types.is_non_distributable(b.media_type))


def parse_manifest(content: bytes, content_type: str | None = None) -> Manifest:
    """What ``content`` says, read as the type that its ``mediaType`` or ``content_type`` names.

    :param content_type: the header the manifest came with, if any; it must agree with ``mediaType``.
    :raises ManifestInvalid: naming the field that is wrong.
    """
    document = _load(content)
    media_type = _media_type(document, content_type)
    if media_type in media_types.INDEXES:
        return Manifest(
            media_type,
            manifests=_descriptors(document, "manifests"),
            subject=_optional_descriptor(document, "subject"),
            artifact_type=_text(document, "artifactType"),
            annotations=_annotations(document, ""),
        )
    return Manifest(
        media_type,
        config=_descriptor(document.get("config"), "config"),
        layers=_descriptors(document, "layers"),
        subject=_optional_descriptor(document, "subject"),
        artifact_type=_text(document, "artifactType"),
        annotations=_annotations(document, ""),
    )


def detect_media_type(content: bytes) -> str:
    """The media type of a stored manifest, from the document alone.

    OCI documents may leave ``mediaType`` out; then what they hold tells them apart.

    :raises ManifestInvalid: when it is no manifest of a known type.
    """
    return _media_type(_load(content), None)


def _media_type(document: Mapping[str, object], content_type: str | None) -> str:
    stated = _text(document, "mediaType")
    header = media_types.bare(content_type) if content_type else ""
    if document.get("schemaVersion") != 2:
        _fail("schemaVersion must be 2; Docker's schema 1 is not supported")
    if header and stated and header != stated:
        _fail(f"mediaType {stated!r} disagrees with Content-Type {header!r}")
    media_type = stated or header or _guess(document)
    if media_type not in media_types.MANIFESTS:
        known = ", ".join(sorted(media_types.MANIFESTS))
        _fail(f"media type {media_type!r} is not that of a manifest; known are {known}")
    if "manifests" in document and "layers" in document:
        _fail("a manifest has layers, an index has manifests: not both")
    return media_type


def _guess(document: Mapping[str, object]) -> str:
    if "manifests" in document:
        return media_types.OCI_INDEX
    if "config" in document:
        return media_types.OCI_MANIFEST
    _fail("neither mediaType nor config nor manifests tells what kind of manifest this is")


def _load(content: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(content, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"manifest is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        _fail("manifest is not a JSON object")
    return document


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        # Parsers differ in which of the two they take, so a digest would not settle the meaning.
        raise ValueError("a key occurs twice in one object")
    return result


def _descriptors(document: Mapping[str, object], field: str) -> tuple[Descriptor, ...]:
    values = document.get(field)
    if values is None and field == "manifests":
        _fail(f"{field} is missing")
    if values is None:
        values = []
    if not isinstance(values, list):
        _fail(f"{field} is not a list")
    return tuple(_descriptor(value, f"{field}[{i}]") for i, value in enumerate(values))


def _optional_descriptor(document: Mapping[str, object], field: str) -> Descriptor | None:
    value = document.get(field)
    return None if value is None else _descriptor(value, field)


def _descriptor(value: object, where: str) -> Descriptor:
    if not isinstance(value, dict):
        _fail(f"{where} is missing or not a descriptor")
    media_type = _text(value, "mediaType", where)
    if not media_type:
        _fail(f"{where}.mediaType is missing")
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        _fail(f"{where}.size is not a number of bytes")
    try:
        digest = Digest.parse(_text(value, "digest", where) or "")
    except DigestInvalid as error:
        raise ManifestInvalid(f"{where}.digest: {error}") from error
    urls = value.get("urls") or []
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        _fail(f"{where}.urls is not a list of texts")
    return Descriptor(
        media_type,
        digest,
        size,
        urls=tuple(urls),
        annotations=_annotations(value, where),
        artifact_type=_text(value, "artifactType", where),
    )


def _text(document: Mapping[str, object], field: str, where: str = "") -> str | None:
    value = document.get(field)
    if value is not None and not isinstance(value, str):
        _fail(f"{where}{'.' if where else ''}{field} is not a text")
    return value


def _annotations(document: Mapping[str, object], where: str) -> Mapping[str, str] | None:
    value = document.get("annotations")
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        _fail(f"{where}{'.' if where else ''}annotations is not a map of texts")
    return value


def _fail(message: str) -> NoReturn:
    raise ManifestInvalid(f"manifest invalid: {message}")
