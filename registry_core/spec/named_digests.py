"""The digests that a manifest names, whatever its media type.

What is named may be needed: by the manifest's own format, or by one that the registry does not
know. So every text in the document counts: values, keys, each of two equal keys, annotations, and
JSON within a text, as in the history of Docker's schema 1.

Sources: OCI image-spec, "Digests", for what a digest looks like; "Image Manifest", for ``subject``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from .digest import Digest
from .errors import ManifestInvalid
from .manifest import load_json

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")

# JSON within a text may be escaped once more than the text is.
_ESCAPED = "\\u"


class _Object(list[tuple[str, object]]):
    """A JSON object: its keys and values, equal keys included."""


@dataclass(frozen=True, slots=True)
class ManifestNames:
    """What a manifest names: every digest in it, and those that it belongs to.

    ``subjects`` are the digests in the manifest's own ``subject``: one, unless the key occurs
    twice. ``needed`` are all digests but those that occur nowhere else than there.
    """

    digests: frozenset[Digest]
    needed: frozenset[Digest]
    subjects: frozenset[Digest]


def named_digests(content: bytes) -> frozenset[Digest]:
    """Return every digest of a registered algorithm that a JSON document contains, in any text.

    Parsing 4 MiB takes up to 0.3 s: do it in a thread.

    :raises ManifestInvalid: the content is not JSON in UTF-8, or is nested too deeply.
    """
    return manifest_names(content).digests


def manifest_names(content: bytes) -> ManifestNames:
    """Return what a manifest names. See `named_digests`."""
    try:
        document = _load(content.decode())
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ManifestInvalid(f"manifest is not valid JSON: {reason}") from error
    rest, subjects = _without_subject(document)
    needed = frozenset(_digests_in(rest))
    belongs_to = frozenset(_digests_in(subjects))
    return ManifestNames(needed | belongs_to, needed, belongs_to)


def _load(text: str) -> object:
    """Return a document with its objects as `_Object`, and without its numbers."""
    return load_json(
        text,
        object_pairs_hook=_Object,
        parse_int=_ignore,
        parse_float=_ignore,
        parse_constant=_refuse_constant,
    )


def _without_subject(document: object) -> tuple[object, list[object]]:
    """Return a document without the digests of its ``subject``, and those digests."""
    if not isinstance(document, _Object):
        return document, []
    rest, subjects = _Object(), []
    for key, value in document:
        if key == "subject" and isinstance(value, _Object):
            subjects += [digest for name, digest in value if name == "digest"]
            rest += [field for field in value if field[0] != "digest"]
        else:
            rest.append((key, value))
    return rest, subjects


def _digests_in(document: object) -> Iterator[Digest]:
    """Yield the digests in a parsed document, and in the JSON documents among its texts."""
    remaining = [document]
    while remaining:
        value = remaining.pop()
        if isinstance(value, str):
            for match in _DIGEST.findall(value):
                yield Digest(*match.split(":"))
            if _ESCAPED in value:
                remaining.append(_within(value))
        elif isinstance(value, list | tuple):
            remaining.extend(value)


def _within(text: str) -> object:
    """Return the JSON document that a text is; None if it is just a text."""
    try:
        return _load(text)
    except (ValueError, RecursionError):
        return None


def _ignore(number: str) -> None:
    """Take a number of any length for nothing."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
