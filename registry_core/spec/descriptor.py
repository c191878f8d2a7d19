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
