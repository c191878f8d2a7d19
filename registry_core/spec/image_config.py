"""Image configs: the platform of an image, when it was created, and its expiry.

Source: OCI image-spec, "OCI Image Configuration"; Docker's has the same fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from .expiry import find_expiry

MAX_BYTES = 64 * 2**10
"""Larger configs are not parsed: they are rare, and parsing takes CPU of the event loop."""

# Characters: real values are ASCII and far shorter. They are stored as metadata and sent in URLs.
_LONGEST = 64


@dataclass(frozen=True)
class ImageConfig:
    """The fields that describe an image in listings; None where the config does not have them.

    ``created`` is a time as RFC 3339 writes it, ``expires_after`` the duration in its labels.
    """

    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    created: str | None = None
    expires_after: str | None = None


def parse_image_config(content: bytes | bytearray) -> ImageConfig | None:
    """Return the image config in ``content``, which may be any blob; None for other content."""
    if len(content) > MAX_BYTES or content[:1] != b"{":
        return None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    names = ("os", "architecture", "variant", "created")
    system, architecture, variant, created = (_text(document.get(name)) for name in names)
    config = ImageConfig(system, architecture, variant, created, _expiry(document))
    return config if config.os or config.architecture else None


def _expiry(document: Mapping[str, object]) -> str | None:
    inner = document.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    return find_expiry(labels) if isinstance(labels, dict) else None


def _text(value: object) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        return None
    return value if value.isascii() and value.isprintable() else None
