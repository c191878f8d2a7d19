"""Repository names and tags by the specification's grammar.

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

_NAME = re.compile(NAME)
_TAG = re.compile(TAG)


def is_name(text: str) -> bool:
    """Whether ``text`` is a repository name."""
    return len(text) <= NAME_MAX_LENGTH and _NAME.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether ``text`` is a tag."""
    return _TAG.fullmatch(text) is not None


def parse_name(text: str) -> str:
    """``text`` itself if it is a repository name.

    :raises NameInvalid: otherwise, saying what a name looks like.
    """
    if is_name(text):
        return text
    if len(text) > NAME_MAX_LENGTH:
        raise NameInvalid(
            f"repository name of {len(text)} characters; at most {NAME_MAX_LENGTH} are allowed"
        )
    raise NameInvalid(
        f"invalid repository name {text!r}: components of lowercase letters and digits, with "
        "single '.', '_', '__' or dashes inside, joined by '/'"
    )


def parse_tag(text: str) -> str:
    """``text`` itself if it is a tag.

    :raises TagInvalid: otherwise, saying what a tag looks like.
    """
    if is_tag(text):
        return text
    raise TagInvalid(
        f"invalid tag {text[:160]!r}: a letter, digit or '_', then at most 127 of these, '.' or '-'"
    )
