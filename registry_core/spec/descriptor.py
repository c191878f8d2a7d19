"""Descriptors: what content is, how large, and under which digest.

Source: OCI image-spec, "OCI Content Descriptors".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .digest import Digest


@dataclass(frozen=True)
class Descriptor:
    """``size`` is in bytes. ``urls`` are places besides the registry to get the content from."""

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] | None = field(default=None, hash=False)
    artifact_type: str | None = None

    def to_json(self) -> dict[str, object]:
        """The descriptor as it stands in a document; what is not known is left out."""
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
