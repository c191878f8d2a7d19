"""Which manifests of a repository are wanted: a graph over values, without storage.

A manifest is wanted if a tag that is kept leads to it, if a wanted manifest names it, or if its
subject is wanted. What only its subject leads to does not keep the subject. Tags of the form
``sha256-<hex>.sig``, and the tags that stand in for the referrers API, belong to the manifest that
they name, as referrers do.

Sources: OCI distribution-spec, "Referrers Tag Schema"; cosign, doc "Signature Specification".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ...spec.digest import Digest
from .repository import Revision, Tag

# The tag schema leaves out what is beyond 64 digits of a sha512.
_ATTACHED = re.compile(
    r"(?:(sha256)-([0-9a-f]{64})|(sha512)-([0-9a-f]{64}(?:[0-9a-f]{64})?))(?:\..*)?"
)


def attached_to(tag: str) -> tuple[str, str] | None:
    """Return the algorithm and the first hex digits of the subject that a tag names, if it does."""
    match = _ATTACHED.fullmatch(tag)
    return (match[1] or match[3], match[2] or match[4]) if match else None


@dataclass
class Graph:
    """The manifests and tags of a repository. ``attached`` are the tags that name a subject."""

    revisions: Mapping[Digest, Revision]
    tags: Mapping[str, Tag]
    _dependants: dict[Digest, set[Digest]] = field(init=False)
    _subjects: dict[Digest, set[Digest]] = field(init=False)

    def __post_init__(self) -> None:
        self._dependants, self._subjects = defaultdict(set), defaultdict(set)
        for digest, revision in self.revisions.items():
            for subject in revision.subjects:
                self._attach(digest, subject)
        for name, targets in self.attached.items():
            for subject in self._named_by(name):
                for target in targets:
                    self._attach(target, subject)

    def _attach(self, dependant: Digest, subject: Digest) -> None:
        if subject in self.revisions and dependant in self.revisions and subject != dependant:
            self._dependants[subject].add(dependant)
            self._subjects[dependant].add(subject)

    @cached_property
    def attached(self) -> Mapping[str, list[Digest]]:
        """The tags that name a subject, with what they point to."""
        return {name: targets(tag) for name, tag in self.tags.items() if attached_to(name)}

    @cached_property
    def holds_subjects(self) -> bool:
        """Whether a tag names a subject that is here, or names one and is about to go with it.

        Otherwise signatures may have a repository of their own, and all subjects lie elsewhere.
        """
        return any(
            self._named_by(name) or any(self._is_marked(target) for target in targets)
            for name, targets in self.attached.items()
        )

    def _is_marked(self, digest: Digest) -> bool:
        revision = self.revisions.get(digest)
        return revision is not None and revision.mark is not None

    def attached_tags(self, digest: Digest) -> list[str]:
        """Return the tags that name a subject and point to a manifest by their current link."""
        return [name for name in self.attached if self.tags[name].digest == digest]

    def _named_by(self, tag: str) -> list[Digest]:
        algorithm, beginning = attached_to(tag) or ("", "")
        return self._by_beginning.get((algorithm, beginning[:64]), [])

    @cached_property
    def _by_beginning(self) -> Mapping[tuple[str, str], list[Digest]]:
        found = defaultdict(list)
        for digest in self.revisions:
            found[digest.algorithm, digest.hex[:64]].append(digest)
        return found

    def closure(self, roots: Iterable[Digest], *, dependants: bool = True) -> set[Digest]:
        """Return all manifests that the roots lead to, themselves included.

        :param dependants: also those that belong to one of them.
        """
        found: set[Digest] = set()
        remaining = [root for root in roots if root in self.revisions]
        while remaining:
            digest = remaining.pop()
            if digest not in found:
                found.add(digest)
                remaining += self.revisions[digest].needs
                remaining += self._dependants.get(digest, ()) if dependants else ()
        return found

    def has_subject(self, digest: Digest) -> bool:
        """Return whether a manifest belongs to another one of the repository."""
        return bool(self._subjects.get(digest))

    def named_before(self, digest: Digest) -> set[Digest]:
        """Return what is deleted after a manifest: what it names, and what belongs to it.

        If it is pushed again meanwhile, and so stays, that has to stay, too.
        """
        return {*self.revisions[digest].needs, *self._dependants.get(digest, ())}


def targets(tag: Tag) -> list[Digest]:
    """Return what a tag points to: one manifest, or what it may point to without a current link."""
    return [tag.digest] if tag.digest is not None else tag.newest
