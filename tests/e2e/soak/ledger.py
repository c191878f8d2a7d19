"""What the registry has acknowledged and must keep, client by client."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from registry_core.spec.digest import Digest


@dataclass(frozen=True)
class Named:
    """The digests that a manifest names, by what they are to it."""

    blobs: frozenset[str]
    children: frozenset[str]
    subject: str | None


def named_by(manifest: bytes) -> Named:
    """Return what a manifest of one of the pushed forms names."""
    document: Mapping[str, Any] = json.loads(manifest)
    blobs = [document[key] for key in ("config",) if key in document]
    return Named(
        frozenset(item["digest"] for item in (*blobs, *document.get("layers", ()))),
        frozenset(item["digest"] for item in document.get("manifests", ())),
        document.get("subject", {}).get("digest"),
    )


@dataclass
class Holding:
    """What one client has in a repository: nobody else writes these tags and manifests.

    With ``keeps_untagged`` every manifest stays until it is deleted; else only those that a tag
    leads to, by indexes and subjects. What no tag leads to any more is the collection's from then
    on, and only another push of it brings it back.
    """

    repository: str
    keeps_untagged: bool
    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)

    def acknowledge(self, manifests: Iterable[bytes], tag: str | None = None) -> None:
        """Note manifests whose push was acknowledged. The tag was set to the last."""
        digest = ""
        for manifest in manifests:
            digest = str(Digest.of(manifest))
            self.manifests[digest] = manifest
        if tag is not None:
            self.tags[tag] = digest
        self.manifests = self.kept()

    def forget_tag(self, tag: str) -> None:
        """Note the acknowledged deletion of a tag."""
        del self.tags[tag]
        self.manifests = self.kept()

    def forget_manifest(self, digest: str) -> None:
        """Note the acknowledged deletion of a manifest, with its tags."""
        del self.manifests[digest]
        self.tags = {tag: target for tag, target in self.tags.items() if target != digest}
        self.manifests = self.kept()

    def kept(self) -> dict[str, bytes]:
        """Return the manifests that must be there."""
        if self.keeps_untagged:
            return dict(self.manifests)
        kept: dict[str, bytes] = {}
        waiting = list(self.tags.values())
        while waiting:
            digest = waiting.pop()
            if digest in kept or digest not in self.manifests:
                continue
            kept[digest] = self.manifests[digest]
            waiting.extend(named_by(kept[digest]).children)
            waiting.extend(self._referrers(digest))
        return kept

    def _referrers(self, subject: str) -> Iterator[str]:
        for digest, manifest in self.manifests.items():
            if named_by(manifest).subject == subject:
                yield digest

    def deletable(self) -> list[str]:
        """Return the manifests that no other one that is kept names."""
        kept = self.kept()
        named = [named_by(manifest) for manifest in kept.values()]
        return [
            digest
            for digest in kept
            if not any(digest in (*other.children, other.subject) for other in named)
        ]

    def named_blobs(self) -> set[str]:
        """Return the blobs that the manifests name."""
        return {blob for manifest in self.manifests.values() for blob in named_by(manifest).blobs}


def expected_manifests(holdings: Iterable[Holding]) -> dict[str, set[str]]:
    """Return the digests of the manifests that must be in each repository."""
    expected: dict[str, set[str]] = {}
    for holding in holdings:
        expected.setdefault(holding.repository, set()).update(holding.kept())
    return {repository: digests for repository, digests in expected.items() if digests}
