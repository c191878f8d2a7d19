"""Referrers: how a manifest is described in its subject's list.

Source: OCI distribution-spec, "Listing Referrers".
"""

from __future__ import annotations

from .descriptor import Descriptor
from .manifest import Manifest


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
