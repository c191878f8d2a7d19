"""Referrers: how a manifest is described in its subject's list, and the tag that can hold a list.

Source: OCI distribution-spec, "Listing Referrers" and "Referrers Tag Schema".
"""

from __future__ import annotations

from .descriptor import Descriptor
from .digest import Digest
from .manifest import Manifest


def fallback_tag(subject: Digest) -> str:
    """Return the tag of the index that clients keep themselves: "Referrers Tag Schema"."""
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


def describe_referrer(manifest: Manifest) -> Descriptor:
    """Return the descriptor of a manifest in a list of referrers.

    :raises ManifestInvalid: the manifest is not valid.
    """
    document = manifest.document
    # "If the artifactType is empty or missing in the image manifest, the value of artifactType
    # MUST be set to the config descriptor mediaType value."
    config_type = document.config.media_type if document.config else None
    return Descriptor(
        manifest.media_type,
        manifest.digest,
        manifest.descriptor.size,
        annotations=document.annotations,
        artifact_type=document.artifact_type or config_type or None,
    )
