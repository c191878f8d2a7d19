"""References in the paths of manifests: what one may be depends on what is done with it.

Source: OCI distribution-spec, "Pulling manifests": "the `<reference>` MUST be either a) a digest or
b) a tag".
"""

from __future__ import annotations

from .digest import Digest
from .errors import ManifestUnknown
from .names import is_tag, parse_tag


def parse_new_reference(text: str) -> Digest | str:
    """Parse the reference of a manifest to push.

    :raises DigestInvalid: the text is not a tag, and has a colon.
    :raises TagInvalid:
    """
    return Digest.parse(text) if ":" in text else parse_tag(text)


def parse_reference(text: str) -> Digest | str:
    """Parse the reference of a manifest that should exist.

    :raises DigestInvalid: the text is not a tag, and has a colon.
    :raises ManifestUnknown: it is neither: no manifest can have it.
    """
    if ":" in text:
        return Digest.parse(text)
    if is_tag(text):
        return text
    raise ManifestUnknown(f"manifest unknown: {text[:160]!r} is neither a tag nor a digest")


def parse_deleted_reference(text: str) -> Digest | str:
    """Parse the reference of a manifest or tag to delete.

    :raises DigestInvalid, ManifestUnknown: as for `parse_reference`.
    :raises TagInvalid: the tag ends with a dot.
    """
    reference = parse_reference(text)
    return reference if isinstance(reference, Digest) else parse_tag(reference)
