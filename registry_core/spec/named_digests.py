"""The digests that a manifest names, whatever its media type.

What is named may be needed: by the manifest's own format, or by one that the registry does not
know. So every text in the document counts: values, keys, each of two equal keys, annotations, and
JSON within a text, as in the history of Docker's schema 1.

Source: OCI image-spec, "Digests", for what a digest looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from .digest import Digest
from .errors import ManifestInvalid
from .manifest import load_json

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")

# JSON within a text may be escaped once more than the text is.
_ESCAPED = "\\u"


def named_digests(content: bytes) -> frozenset[Digest]:
    """Return every digest of a registered algorithm that a JSON document contains, in any text.

    Parsing 4 MiB takes up to 0.1 s: do it in a thread.

    :raises ManifestInvalid: the content is not JSON in UTF-8, or is nested too deeply.
    """
    try:
        texts = _texts(content.decode())
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ManifestInvalid(f"manifest is not valid JSON: {reason}") from error
    found = {match for text in texts for match in _DIGEST.findall(text)}
    return frozenset(Digest(*text.split(":")) for text in found)


def _texts(document: str) -> set[str]:
    """Return all keys and texts of a document, and those of the JSON documents among them.

    :raises ValueError, RecursionError: it is not JSON, or is nested too deeply.
    """
    texts: set[str] = set()

    def collect(pairs: list[tuple[str, object]]) -> None:
        for key, value in pairs:
            texts.add(key)
            texts.update(_listed_texts(value))

    whole = load_json(
        document,
        object_pairs_hook=collect,
        parse_int=_ignore,
        parse_float=_ignore,
        parse_constant=_refuse_constant,
    )
    texts.update(_listed_texts(whole))
    for text in [text for text in texts if _ESCAPED in text]:
        try:
            texts |= _texts(text)
        except (ValueError, RecursionError):
            continue  # not JSON: just a text
    return texts


def _listed_texts(value: object) -> Iterator[str]:
    """Yield a text, or the texts in a list of lists; objects have been collected already."""
    remaining = [value]
    while remaining:
        value = remaining.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            remaining.extend(value)


def _ignore(number: str) -> None:
    """Take a number of any length for nothing."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
