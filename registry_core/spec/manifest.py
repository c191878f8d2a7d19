"""Manifests: parsed far enough to know what they reference, and validated.

Sources: OCI image-spec, "OCI Image Manifest Specification" and "OCI Image Index Specification";
Docker "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import Any, NoReturn

from . import media_types
from .descriptor import Descriptor, json_kind, text_field, text_map_field
from .digest import SHA256, Digest
from .errors import DigestInvalid, ManifestInvalid


def _spellings(*names: str) -> Mapping[str, str]:
    """Return the name that each of the names, also in lower case, stands for."""
    return {spelling: name for name in names for spelling in (name, name.casefold())}


_FIELDS = _spellings(
    *("schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests"),
    *("subject", "annotations", "fsLayers"),
)
_DESCRIPTOR_FIELDS = _spellings(
    *("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType")
)

MAX_MANIFEST_BYTES = 4 * 2**20
"""The size of the largest manifest that is accepted, or taken for one in storage.

OCI distribution-spec, "Pushing Manifests": registries should enforce a limit, of at least 4 MiB.
CNCF distribution has the same.
"""

# Each value has one. No real manifest of 4 MiB comes near, and the interpreter does nothing else
# while it makes the values: so many take a tenth of a second.
_MAX_DELIMITERS = 2**18

# Characters that json's scanner in C may read of what was pushed: no other thread runs meanwhile,
# the event loop's included, for 6 ms per MiB. More are read by its scanner in Python, which takes
# four times as long and lets others run.
_ONE_GO = 2**20


# Why manifests of these types cannot be pushed any more, and what can.
_SCHEMA_1 = "Docker's schema 1 is not supported; push schema 2 or an OCI image manifest"
_ABANDONED = {
    media_types.DOCKER_SCHEMA_1: _SCHEMA_1,
    media_types.DOCKER_SCHEMA_1_SIGNED: _SCHEMA_1,
    media_types.OCI_ARTIFACT_MANIFEST: "the OCI specification has abandoned artifact manifests; "
    "push an image manifest with an artifactType",
}


@dataclass(frozen=True)
class ManifestDocument:
    """The fields of an image manifest or an image index. ``manifests``: what an index lists."""

    media_type: str
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] | None = field(default=None, hash=False)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The config, if there is one, and the layers."""
        return (self.config, *self.layers) if self.config else self.layers

    @property
    def required_blobs(self) -> tuple[Descriptor, ...]:
        """The blobs that must be in the repository before this manifest may be.

        A layer that is not to be distributed may be absent if its ``urls`` say where else it is.
        """
        return tuple(
            blob
            for blob in self.blobs
            if not (blob.urls and media_types.is_non_distributable(blob.media_type))
        )


@dataclass(frozen=True)
class Manifest:
    """A manifest: its bytes, and the descriptor that they have.

    ``descriptor`` has the media type, the digest and the size; whoever makes a `Manifest` has
    verified the digest. `parse_manifest` makes one that is parsed already. One that was read from a
    registry is parsed when `document` is first used, which most requests never do.
    """

    descriptor: Descriptor
    content: bytes = field(repr=False)
    _document: ManifestDocument | None = field(default=None, repr=False, compare=False)

    @property
    def media_type(self) -> str:
        """The descriptor's media type."""
        return self.descriptor.media_type

    @property
    def digest(self) -> Digest:
        """The descriptor's digest."""
        return self.descriptor.digest

    @property
    def document(self) -> ManifestDocument:
        """What the manifest says. Parsing 4 MiB takes up to 0.1 s: do it in a thread.

        :raises ManifestInvalid: another registry took it, and it is not valid.
        """
        if self._document is None:
            document = _parse(self.content, self.media_type)
            object.__setattr__(self, "_document", document)
            return document
        return self._document


def parse_manifest(
    content: bytes, content_type: str | None = None, digest: Digest | None = None
) -> Manifest:
    """Parse and validate a manifest, read as its ``mediaType`` or ``content_type`` says.

    :param content_type: the header that it came with, if any; it must agree with ``mediaType``.
    :param digest: what the content must hash to; without one, the manifest gets its sha256.
    :raises ManifestInvalid: naming the field that is wrong.
    :raises DigestInvalid: the content does not hash to ``digest``.
    """
    document = _parse(content, content_type)
    actual = Digest.of(content, digest.algorithm if digest else SHA256)
    if digest is not None and actual != digest:
        raise DigestInvalid(f"the manifest's digest is {actual}, not {digest}")
    return Manifest(Descriptor(document.media_type, actual, len(content)), content, document)


def _parse(content: bytes, content_type: str | None) -> ManifestDocument:
    document = _load(content)
    media_type = _media_type(document, content_type)
    is_index = media_type in media_types.INDEXES
    if is_index and "manifests" not in document:
        _fail("manifests is missing")
    return ManifestDocument(
        media_type,
        config=None if is_index else _descriptor(document.get("config"), "config"),
        layers=_descriptors(document, "layers"),
        manifests=_descriptors(document, "manifests"),
        subject=_optional_descriptor(document, "subject"),
        artifact_type=_text(document, "artifactType"),
        annotations=_annotations(document),
    )


def detect_media_type(content: bytes) -> str:
    """Return the media type of a stored manifest, from the document alone.

    OCI documents may leave ``mediaType`` out; then their fields distinguish them. For all that
    `parse_manifest` accepts, the result is the same; but this validates less, since other
    registries, which validate less, may have stored the manifest, Docker's schema 1 included.

    :raises ManifestInvalid: it is not a manifest of a known type.
    """
    document = _load(content, strict=False)
    if document.get("schemaVersion") == 1:
        signed = "signatures" in document
        return media_types.DOCKER_SCHEMA_1_SIGNED if signed else media_types.DOCKER_SCHEMA_1
    return _known(_text(document, "mediaType") or _guess(document))


def _media_type(document: Mapping[str, object], content_type: str | None) -> str:
    _refuse_lookalikes(document, _FIELDS)
    stated = _text(document, "mediaType")
    header = media_types.bare(content_type) if content_type else ""
    field = "mediaType" if stated or not header else "Content-Type"
    _check_version(document.get("schemaVersion"), stated or header, field)
    if header and stated and header != stated:
        _fail(
            f"mediaType {stated[:160]!r} disagrees with Content-Type {header[:160]!r}; "
            "they have to be equal"
        )
    media_type = _known(stated or header or _guess(document), field)
    if media_type in media_types.DOCKER and not stated:
        _fail("mediaType is missing, which only OCI manifests may leave out")
    _refuse_fields_of_others(document, media_type)
    return media_type


def _check_version(version: object, media_type: str, field: str) -> None:
    """Refuse all versions but 2. If the media type is another format's, that is the reason."""
    number = version if type(version) is int else None
    if number == 2:
        return
    if number == 1:
        _fail(f"schemaVersion is 1: {_SCHEMA_1}")
    if media_type:
        _known(media_type, field)
    _fail(
        "schemaVersion is missing; it must be 2" if version is None else "schemaVersion must be 2"
    )


def _known(media_type: str, field: str = "mediaType") -> str:
    """Return a media type if it is that of a manifest; ``field`` is where it was found."""
    if media_type in _ABANDONED:
        _fail(f"{field} is {media_type}: {_ABANDONED[media_type]}")
    if media_type not in media_types.MANIFESTS:
        known = ", ".join(sorted(media_types.MANIFESTS))
        _fail(f"{field} {media_type[:160]!r} is not that of a manifest; known are {known}")
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
        _fail("mediaType is missing, and there is neither config nor manifests to infer it from")
    return media_types.OCI_INDEX


def _refuse_lookalikes(document: Mapping[str, object], names: Mapping[str, str]) -> None:
    # Go's decoder takes "Layers" for "layers" and Python's does not: an attacker could profit.
    for key in document:
        name = names.get(key) or names.get(key.casefold(), key)
        if name != key:
            _fail(f"{key[:160]!r} differs from {name} only in its case")


def _load(content: bytes, *, strict: bool = True) -> Mapping[str, object]:
    if len(content) > MAX_MANIFEST_BYTES:
        _fail(f"the manifest has {len(content)} bytes, more than {MAX_MANIFEST_BYTES}")
    hook = _object if strict else None
    has_many = sum(content.count(delimiter) for delimiter in b",[{") > _MAX_DELIMITERS
    if strict and has_many:
        _fail(f"it has more than {_MAX_DELIMITERS} values")
    try:
        # Decoded here, since json by itself takes UTF-16 and byte order marks too; clients do not.
        document = load_json(
            content.decode(),
            steady=strict or has_many,
            object_pairs_hook=hook,
            parse_constant=_refuse_constant,
        )
    except ValueError as error:
        reason = str(error) if content.strip() else "it is empty"
        raise ManifestInvalid(f"manifest is not valid JSON: {reason}") from error
    except RecursionError as error:
        raise ManifestInvalid("manifest is not valid JSON: it is nested too deeply") from error
    if not isinstance(document, dict):
        _fail(f"it is {json_kind(document)}, not a JSON object")
    return document


def load_json(text: str, *, steady: bool = True, **options: Any) -> Any:
    """Return what a JSON text says: `json.loads`, which lets other threads run if it is long.

    :param steady: False takes less CPU, and lets none run.
    :raises ValueError, RecursionError: as `json.loads`.
    """
    cls = _SteadyDecoder if steady and len(text) > _ONE_GO else None
    return json.loads(text, cls=cls, **options)


class _SteadyDecoder(json.JSONDecoder):
    """Scans in Python, all but strings and numbers: see `_ONE_GO`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.scan_once = py_make_scanner(self)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        # Parsers differ in which of the two they take: one digest would have two meanings.
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
        _fail(f"{name} is {json_kind(values)}, not a list")
    return tuple(_descriptor(value, f"{name}[{i}]") for i, value in enumerate(values))


def _optional_descriptor(document: Mapping[str, object], name: str) -> Descriptor | None:
    value = document.get(name)
    return None if value is None else _descriptor(value, name)


def _descriptor(value: object, where: str) -> Descriptor:
    if value is None:
        _fail(f"{where} is missing or null")
    if not isinstance(value, dict):
        _fail(f"{where} is {json_kind(value)}, not a descriptor")
    _refuse_lookalikes(value, _DESCRIPTOR_FIELDS)
    try:
        return Descriptor.of_json(value)
    except DigestInvalid as error:
        raise ManifestInvalid(f"manifest invalid: {where}.digest: {error}") from error
    except ValueError as error:
        raise ManifestInvalid(f"manifest invalid: {where}.{error}") from error


def _text(document: Mapping[str, object], name: str) -> str | None:
    try:
        return text_field(document, name)
    except ValueError as error:
        _fail(str(error))


def _annotations(document: Mapping[str, object]) -> Mapping[str, str] | None:
    try:
        return text_map_field(document, "annotations")
    except ValueError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    raise ManifestInvalid(f"manifest invalid: {message}")
