"""What a manifest leads to: the blobs and manifests that it needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.manifest import Manifest, ManifestDocument
from ..spec.media_types import MANIFESTS, is_non_distributable


@dataclass(frozen=True)
class Part:
    """Something that a manifest references.

    ``is_manifest``: what it should be by its media type. ``in_index``: an index lists it, so that
    it may be the other, too, as in BuildKit's caches. ``required``: a registry takes the manifest
    only if this is there.
    """

    descriptor: Descriptor
    is_manifest: bool = False
    in_index: bool = False
    required: bool = True


def parts(manifest: Manifest, chosen: Collection[Digest] | None = None) -> tuple[Part, ...]:
    """Return what a manifest references, each once. A subject is not part of it.

    :param chosen: what to copy of an index; None: everything.
    :raises ManifestInvalid: the manifest is not valid.
    """
    document = manifest.document
    found: dict[Digest, Part] = {}
    for part in (*_blobs(document), *_listed(document, chosen)):
        found.setdefault(part.descriptor.digest, part)
    return tuple(found.values())


def _blobs(document: ManifestDocument) -> list[Part]:
    return [
        Part(blob, required=not (blob.urls and is_non_distributable(blob.media_type)))
        for blob in document.blobs
    ]


def _listed(document: ManifestDocument, chosen: Collection[Digest] | None) -> list[Part]:
    return [
        Part(each, is_manifest=each.media_type in MANIFESTS, in_index=True)
        for each in document.manifests
        if chosen is None or each.digest in chosen
    ]
