"""One entry of a referrers list: a link whose metadata hold the descriptor, where it fits.

Source: OCI distribution-spec, "Listing Referrers", for what the descriptor says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote, unquote

from ..object_store.interface import Properties
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import ManifestInvalid
from ..spec.manifest import Manifest, parse_manifest
from .small_objects import Link

# Storage takes 8 KiB in all; some room is left for how it counts.
_METADATA_LIMIT = 7 * 2**10
# What headers, signatures and XML all leave as it is. Blanks are not: runs of them get shortened.
_PLAIN = '{}[]":,/+=@()*!$;'


def describe(link: Link, manifest: Manifest) -> Descriptor:
    """What a list of referrers says of a manifest."""
    # "If the artifactType is empty or missing in the image manifest, the value of artifactType
    # MUST be set to the config descriptor mediaType value."
    artifact_type = manifest.artifact_type or (manifest.config and manifest.config.media_type)
    return Descriptor(
        manifest.media_type,
        link.digest,
        link.size or 0,
        annotations=manifest.annotations,
        artifact_type=artifact_type or None,
    )


def metadata_of(link: Link, referrer: Descriptor) -> Mapping[str, str]:
    """All of the descriptor, or, where that is too much, only what every link tells."""
    described = {**link.metadata, "annotations": _escape(_json(referrer.annotations))}
    if referrer.artifact_type:
        described["artifacttype"] = _escape(referrer.artifact_type)
    size = sum(len(name) + len(value) for name, value in described.items())
    return described if size <= _METADATA_LIMIT else link.metadata


def read_metadata(digest: Digest, properties: Properties) -> Descriptor | None:
    """The descriptor that `metadata_of` wrote; None when the manifest itself has to be read."""
    known = Link(digest).described_by(properties).descriptor
    annotations = properties.metadata.get("annotations")
    if known is None or annotations is None:
        return None
    artifact_type = properties.metadata.get("artifacttype")
    return Descriptor(
        known.media_type,
        digest,
        known.size,
        annotations=json.loads(unquote(annotations)),
        artifact_type=unquote(artifact_type) if artifact_type else None,
    )


def read_content(digest: Digest, content: bytes) -> Descriptor | None:
    """The descriptor from the manifest itself; None when it is none that could be pushed here."""
    try:
        manifest = parse_manifest(content)
    except ManifestInvalid:
        return None
    return describe(Link(digest, manifest.media_type, len(content)), manifest)


def size_in_list(referrer: Descriptor) -> int:
    """Bytes that the descriptor takes in the answer, its comma included."""
    return len(_json(referrer.to_json()).encode()) + 1


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _escape(text: str) -> str:
    return quote(text, safe=_PLAIN)
