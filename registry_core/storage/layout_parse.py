"""Paths, parsed: the inverse of `Layout`, for whatever lists the whole container."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ..spec.digest import Digest
from ..spec.errors import DigestInvalid
from ..spec.names import TAG, is_name
from .layout import Layout


class Kind(StrEnum):
    """The kind of object at a path; the value is its name in reports."""

    CONTENT = "content"
    LAYER_LINK = "layer_links"
    REVISION_LINK = "revision_links"
    TAG_LINK = "tag_links"
    INDEX_LINK = "index_links"
    REFERRER = "referrers"
    MARKER = "markers"
    UPLOAD = "uploads"
    REPLACEMENT = "replacements"
    QUARANTINED = "quarantined"
    PERSONAL_KEY = "personal_keys"
    COLLECTION = "collections"
    TRASHED = "trash"
    PULLS = "pulls"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """The parts of a path; those that its kind does not have are empty. ``root`` as in `Layout`."""

    kind: Kind
    root: str = ""
    repository: str = ""
    tag: str = ""
    digest: Digest | None = None
    subject: Digest | None = None
    upload: str = ""


_BASE = Layout().base
_DIGEST = r"(?:sha256/[a-f0-9]{64}|sha512/[a-f0-9]{128})"
# The last group that matched is the kind's.
_IN_REPOSITORY = re.compile(
    rf"""
    _layers/(?P<layer>{_DIGEST})/link
    | _manifests/revisions/(?P<revision>{_DIGEST})/link
    | _manifests/tags/(?P<tag>{TAG})/(?:current/link|index/(?P<index>{_DIGEST})/link)
    | _referrers/(?P<subject>{_DIGEST})/(?P<referrer>{_DIGEST})/link
    | _uploads/(?P<upload>[^/]+)/.+
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "layer": Kind.LAYER_LINK,
    "revision": Kind.REVISION_LINK,
    "tag": Kind.TAG_LINK,
    "index": Kind.INDEX_LINK,
    "referrer": Kind.REFERRER,
    "upload": Kind.UPLOAD,
}
_UPLOAD = re.compile(r"(?P<repository>.+)/(?P<upload>[^/]+)/(?:data|done|staged|hashed)")
_CONTENT = re.compile(r"(?P<algorithm>[a-z0-9]+)/(?P<start>[a-f0-9]{2})/(?P<hex>(?P=start).+)/data")


def parse_path(path: str) -> Place:
    """Parse a path. Raises nothing: one that `Layout` does not build is `Kind.UNKNOWN`."""
    root, base, rest = path.partition(_BASE)
    folder, _, inside = rest.partition("/")
    parse = _FOLDERS.get(folder)
    if not base or not parse or (root and not root.endswith("/")):
        return Place(Kind.UNKNOWN)
    return parse(root, inside)


def _content(root: str, inside: str) -> Place:
    match = _CONTENT.fullmatch(inside)
    try:
        digest = Digest.parse(f"{match['algorithm']}:{match['hex']}") if match else None
    except DigestInvalid:
        digest = None
    return Place(Kind.CONTENT if digest else Kind.UNKNOWN, root, digest=digest)


def _in_repository(root: str, inside: str) -> Place:
    # No component of a name begins with "_".
    name, slash, rest = inside.partition("/_")
    match = _IN_REPOSITORY.fullmatch(slash[1:] + rest)
    if not match or not match.lastgroup or not is_name(name):
        return Place(Kind.UNKNOWN, root)
    parts = match.groupdict()
    return Place(
        _KINDS[match.lastgroup],
        root,
        name,
        tag=parts["tag"] or "",
        digest=_digest(parts["layer"] or parts["revision"] or parts["index"] or parts["referrer"]),
        subject=_digest(parts["subject"]),
        upload=parts["upload"] or "",
    )


def _upload(root: str, inside: str) -> Place:
    match = _UPLOAD.fullmatch(inside)
    if not match or not is_name(match["repository"]):
        return Place(Kind.UNKNOWN, root)
    return Place(Kind.UPLOAD, root, match["repository"], upload=match["upload"])


def _marker(root: str, inside: str) -> Place:
    layout = Layout(root)
    return Place(Kind.MARKER, root, layout.marked_repository(f"{layout.catalog}{inside}"))


def _replacement(root: str, inside: str) -> Place:
    return Place(Kind.REPLACEMENT if inside else Kind.UNKNOWN, root)


def _quarantined(root: str, inside: str) -> Place:
    algorithm, _, rest = inside.partition("/")
    try:
        digest = Digest.parse(f"{algorithm}:{rest.partition('/')[0]}")
    except DigestInvalid:
        return Place(Kind.UNKNOWN, root)
    return Place(Kind.QUARANTINED, root, digest=digest)


def _auth(root: str, inside: str) -> Place:
    folder, _, name = inside.partition("/")
    is_key = folder == "keys" and name != ""
    return Place(Kind.PERSONAL_KEY if is_key else Kind.UNKNOWN, root)


def _collection(root: str, inside: str) -> Place:
    folder, _, name = inside.partition("/")
    is_known = inside == "summary" or (folder in ("runs", "marks", "references") and name != "")
    return Place(Kind.COLLECTION if is_known else Kind.UNKNOWN, root)


def _trashed(root: str, inside: str) -> Place:
    return Place(Kind.TRASHED if inside else Kind.UNKNOWN, root)


def _pulls(root: str, inside: str) -> Place:
    return Place(Kind.PULLS if inside.endswith(".json") else Kind.UNKNOWN, root)


def _digest(path: str | None) -> Digest | None:
    return Digest(*path.split("/")) if path else None


_FOLDERS: dict[str, Callable[[str, str], Place]] = {
    "blobs": _content,
    "repositories": _in_repository,
    "_uploads": _upload,
    "_catalog": _marker,
    "_replacing": _replacement,
    "_quarantine": _quarantined,
    "_auth": _auth,
    "_gc": _collection,
    "_trash": _trashed,
    "_pulls": _pulls,
}
