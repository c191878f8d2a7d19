"""The grammar of repository names and tags.

Source: OCI distribution-spec, "Pulling manifests".
"""

from __future__ import annotations

import re

from .errors import NameInvalid, TagInvalid

# "[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
NAME_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME = rf"{NAME_COMPONENT}(?:/{NAME_COMPONENT})*"
# "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"

# "Many clients impose a limit of 255 characters on the length of the concatenation of the registry
# hostname (and optional port), `/`, and `<name>` value."
NAME_MAX_LENGTH = 255
TAG_MAX_LENGTH = 128

_NAME = re.compile(NAME)
_TAG = re.compile(TAG)


def is_name(text: str) -> bool:
    """Return whether ``text`` is a repository name."""
    return len(text) <= NAME_MAX_LENGTH and _NAME.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Return whether ``text`` is a tag by the specification's grammar."""
    return _TAG.fullmatch(text) is not None


def parse_name(text: str) -> str:
    """Return ``text`` if it is a repository name.

    :raises NameInvalid: it is not; the message says what a name looks like.
    """
    if is_name(text):
        return text
    if len(text) > NAME_MAX_LENGTH:
        raise NameInvalid(
            f"the repository name has {len(text)} characters; at most {NAME_MAX_LENGTH} are allowed"
        )
    raise NameInvalid(
        f"{text!r} is not a valid repository name: use components of lowercase letters and digits, "
        "separated inside by '.', '_', '__' or dashes, and joined by '/'"
    )


def is_settable_tag(text: str) -> bool:
    """Return whether ``text`` is a tag that may be set or deleted: see `parse_tag`."""
    return is_tag(text) and not text.endswith(".")


def parse_tag(text: str) -> str:
    """Return ``text`` if it is a tag that may be set or deleted: one that does not end with a dot.

    Azure strips dots at the end of a path's segments: ``v1.`` would be the same object as ``v1``,
    past every rule for ``v1``. Tags that other registries wrote elsewhere can still be read.
    Source: REST documentation, "Naming and Referencing Containers, Blobs, and Metadata".

    :raises TagInvalid: it is not; the message says what a tag looks like.
    """
    if is_settable_tag(text):
        return text
    if is_tag(text):
        raise TagInvalid(
            f"the tag {text!r} ends with a dot, which Azure Blob Storage does not distinguish from "
            f"{text.rstrip('.')!r}; use another tag"
        )
    raise TagInvalid(
        f"{text[:160]!r} is not a valid tag: use up to 128 letters, digits, '_', '.' or '-', not "
        "beginning with '.' or '-'"
    )
