"""The objects of a store, parsed from their paths: content, links and uploads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from registry_core.spec.digest import Digest
from registry_core.spec.errors import DigestInvalid

from .world import State

_CONTENT = re.compile(r".*/v2/blobs/(?P<algorithm>[^/]+)/../(?P<hex>[^/]+)/data")
_LINK = re.compile(
    r".*/repositories/(?P<repository>.+?)/(?P<kind>_layers|_manifests/revisions"
    r"|_manifests/tags/(?P<tag>[^/]+)/(?:current|index)"
    r"|_referrers/(?P<subject>[^/]+/[^/]+))"
    r"(?:/(?P<algorithm>[^/]+)/(?P<hex>[^/]+))?/link"
)


@dataclass(frozen=True)
class StoredLink:
    """A link by its path: ``kind`` is the folder, ``digest`` is None for a tag's current link."""

    repository: str
    kind: str
    digest: Digest | None
    tag: str | None = None
    subject: Digest | None = None


def links(state: State) -> Iterator[StoredLink]:
    for path in state.objects:
        if found := _parse(path):
            yield found


def uploads(state: State) -> list[str]:
    """Return the paths of uploads in progress; not the marks of finished ones."""
    paths = {**state.objects, **state.staged}
    return sorted(path for path in paths if "/_uploads/" in path and not path.endswith("/done"))


def damage(state: State) -> Iterator[str]:
    """Yield what is damaged: content that does not hash to its address, torn links."""
    for path, found in state.objects.items():
        if address := _CONTENT.fullmatch(path):
            if Digest.of(found.content, address["algorithm"]).hex != address["hex"]:
                yield f"{path} has other content than its address says"
        elif link := _parse(path):
            yield from _torn(path, link, found.content, found.properties.metadata.get("digest"))


def _torn(path: str, link: StoredLink, content: bytes, described: str | None) -> Iterator[str]:
    try:
        digest = Digest.parse(content.decode())
    except DigestInvalid:
        yield f"{path} holds {content!r}"
        return
    if link.digest not in (None, digest) or described not in (None, str(digest)):
        yield f"{path} points to {digest}, its metadata to {described}"


def _parse(path: str) -> StoredLink | None:
    parts = _LINK.fullmatch(path)
    if parts is None:
        return None
    digest = f"{parts['algorithm']}:{parts['hex']}" if parts["hex"] else None
    subject = parts["subject"] and parts["subject"].replace("/", ":")
    return StoredLink(
        parts["repository"],
        parts["kind"],
        Digest.parse(digest) if digest else None,
        parts["tag"],
        Digest.parse(subject) if subject else None,
    )
