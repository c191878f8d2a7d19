"""``index.json`` of an OCI image layout as a value: which manifests it lists, under which names.

Entries are kept as they are, fields that nobody knows included, so that an index that is read and
written again has lost nothing.

Sources: OCI image-spec, "OCI Image Layout" and "Pre-Defined Annotation Keys"; containerd and
BuildKit add the annotation ``io.containerd.image.name``, skopeo and podman write full names where
the specification has tags.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from ..spec import media_types
from ..spec.descriptor import Descriptor, json_kind
from ..spec.digest import Digest
from ..spec.errors import DigestInvalid, ManifestUnknown
from ..spec.manifest import load_json
from ..spec.names import is_tag, parse_tag
from .local_files import FilesError

MAX_INDEX_BYTES = 16 * 2**20
"""The size of the largest ``index.json`` that is read: some 50,000 manifests."""

# Each value has one: what few bytes of text would take as values in memory is bounded, too.
_MAX_DELIMITERS = 2**20

REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"

# "ref ::= component ("/" component)*; component ::= alphanum (separator alphanum)*;
# separator ::= [-._:@+] | "--""
_COMPONENT = r"[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*"
_REFERENCE = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LONGEST_NAME = 512

_MOST_LISTED = 10


@dataclass(frozen=True)
class Selection:
    """A manifest that somebody chose, and its tag, if it has one."""

    digest: Digest
    tag: str | None = None


@dataclass(frozen=True)
class Name:
    """The name of an entry: a tag or a full name, and the full name of the image, if it is known.

    Images with different full names can have the same tag.
    """

    reference: str
    image: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a tag, or what the specification allows in its place.

        :raises TagInvalid: it is neither.
        """
        if not is_tag(text) and (len(text) > _LONGEST_NAME or not _REFERENCE.fullmatch(text)):
            parse_tag(text)
        return cls(text)


@dataclass(frozen=True)
class LayoutEntry:
    """An entry of the index, as it is written there."""

    document: Mapping[str, object]

    @cached_property
    def descriptor(self) -> Descriptor | None:
        """What the entry describes; None if its digest is of an unknown algorithm, or malformed."""
        try:
            return Descriptor.of_json(self.document)
        except (ValueError, DigestInvalid):
            return None

    @property
    def names(self) -> tuple[str, ...]:
        """The tag or full name of the manifest, then its full name; each only if it is there."""
        annotations = self.document.get("annotations")
        if not isinstance(annotations, dict):
            return ()
        names = (annotations.get(REF_NAME), annotations.get(IMAGE_NAME))
        return tuple(name for name in names if isinstance(name, str) and name)

    @property
    def tag(self) -> str | None:
        """The tag: the annotation's, or that of the full name there; None without one."""
        tags = map(tag_of, self.names)
        return next((tag for tag in tags if tag is not None), None)

    def is_named(self, name: Name) -> bool:
        """Return whether the entry has that name, so that a new one of the name replaces it."""
        if not self.names or self.names[0] != name.reference:
            return False
        return name.image is None or self.names[1:] in {(), (name.image,)}

    def renamed(self, name: Name) -> LayoutEntry:
        """Return the entry under another name."""
        kept = self.document.get("annotations")
        annotations = dict(kept) if isinstance(kept, dict) else {}
        annotations.pop(IMAGE_NAME, None)
        annotations[REF_NAME] = name.reference
        if name.image is not None:
            annotations[IMAGE_NAME] = name.image
        return LayoutEntry({**self.document, "annotations": annotations})


@dataclass(frozen=True)
class LayoutIndex:
    """The index of a layout; ``where`` is its file, for messages, ``rest`` its other fields."""

    where: str
    entries: tuple[LayoutEntry, ...] = ()
    rest: Mapping[str, object] | None = None

    @classmethod
    def parse(cls, content: bytes, where: str) -> LayoutIndex:
        """Return the index in ``content``, of at most `MAX_INDEX_BYTES`.

        :raises FilesError: it is not an image index.
        """
        document = dict(load_object(content, where))
        manifests = document.pop("manifests", None)
        if not isinstance(manifests, list):
            raise FilesError(f"{where} is not an image index: it has no list of manifests")
        for position, entry in enumerate(manifests):
            if not isinstance(entry, dict):
                kind = json_kind(entry)
                raise FilesError(f"{where}: manifests[{position}] is {kind}, not a descriptor")
        return cls(where, tuple(map(LayoutEntry, manifests)), document)

    def to_json(self) -> bytes:
        """Return the content of the file: the inverse of `parse`."""
        head = self.rest or {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX}
        document = {**head, "manifests": [entry.document for entry in self.entries]}
        return json.dumps(document, separators=(",", ":")).encode()

    @property
    def manifests(self) -> Iterator[Descriptor]:
        """What the valid entries describe."""
        return (entry.descriptor for entry in self.entries if entry.descriptor is not None)

    @property
    def tags(self) -> list[str]:
        """Every tag, once, in lexical order."""
        return sorted({entry.tag for entry in self._valid if entry.tag is not None})

    def find_digest(self, digest: Digest) -> Descriptor | None:
        """Return the descriptor of the first entry with a digest; None without one."""
        return next((found for found in self.manifests if found.digest == digest), None)

    def find_name(self, name: Name) -> Descriptor | None:
        """Return the manifest with exactly that name; None if there is none, or several."""
        named = [entry.descriptor for entry in self._valid if entry.is_named(name)]
        found = {manifest.digest: manifest for manifest in named if manifest is not None}
        return found.popitem()[1] if len(found) == 1 else None

    def find_tag(self, name: str) -> Descriptor:
        """Return the manifest with a tag or a full name, such as ``docker.io/library/alpine:3``.

        :raises ManifestUnknown: there is none, or several different ones.
        """
        for is_named in (_as_written, _in_full, _by_tag):
            found = [entry for entry in self._valid if is_named(entry, name)]
            if found:
                return self._only(found, f"{name[:160]!r} is not the name of one manifest only")
        known = listed(self.tags) or "it has no tags"
        raise ManifestUnknown(f"{self.where} has no manifest {name[:160]!r} (tags: {known})")

    def select(self, text: str) -> Selection:
        """Return the manifest that ``text`` selects: a tag, full name, digest, ``@0``, or the only.

        ``@0`` is the first entry. With an empty text, the layout must have one manifest with a
        name, or one manifest at all.

        :raises ManifestUnknown: there is none, or several.
        :raises DigestInvalid: the text is a malformed digest.
        """
        if not text:
            return self._select_only()
        if re.fullmatch(r"@[0-9]{1,9}", text):
            return self._select_number(int(text[1:]))
        if text.startswith(("sha256:", "sha512:")):
            return Selection(Digest.parse(text))
        return Selection(self.find_tag(text).digest, tag_of(text))

    def with_manifest(
        self,
        manifest: Descriptor,
        names: Sequence[Name],
        *,
        without: Collection[Digest] = (),
    ) -> LayoutIndex:
        """Return the index with a manifest under ``names``, or, without any, just listed.

        What has one of the names now loses it: an entry for each of them is replaced.

        :param without: unnamed entries of these digests are dropped.
        """
        mine = [entry for entry in self._valid if entry.descriptor and _is(entry, manifest.digest)]
        base = mine[0] if mine else LayoutEntry(_described(manifest))
        dropped = set(without) | ({manifest.digest} if names else set())
        kept = [
            entry
            for entry in self.entries
            if not any(entry.is_named(name) for name in names)
            and not (not entry.names and entry.descriptor and entry.descriptor.digest in dropped)
        ]
        if names:
            kept += [base.renamed(name) for name in dict.fromkeys(names)]
        elif not mine:
            kept.append(base)
        return replace(self, entries=tuple(kept))

    @property
    def _valid(self) -> Iterator[LayoutEntry]:
        return (entry for entry in self.entries if entry.descriptor is not None)

    def _select_only(self) -> Selection:
        entries = [entry for entry in self._valid if entry.names] or list(self._valid)
        if not entries:
            raise ManifestUnknown(f"{self.where} lists no manifests")
        manifest = self._only(entries, "several manifests are there")
        return Selection(manifest.digest, entries[0].tag)

    def _select_number(self, number: int) -> Selection:
        if number >= len(self.entries):
            raise ManifestUnknown(
                f"{self.where} has no entry @{number}: it lists {len(self.entries)}, from @0"
            )
        entry = self.entries[number]
        if entry.descriptor is None:
            raise ManifestUnknown(f"{self.where}: entry @{number} is not a valid descriptor")
        return Selection(entry.descriptor.digest, entry.tag)

    def _only(self, entries: Sequence[LayoutEntry], problem: str) -> Descriptor:
        """Return what all of the entries describe; they are valid, and one at least."""
        found = {entry.descriptor.digest: entry for entry in entries if entry.descriptor}
        if len(found) > 1:
            labels = [entry.names[-1] if entry.names else str(key) for key, entry in found.items()]
            if len(set(labels)) < len(labels):
                labels = list(map(str, found))
            raise ManifestUnknown(f"{self.where}: {problem}; name one of {listed(labels)}")
        descriptor = entries[0].descriptor
        assert descriptor is not None
        return descriptor


def load_object(content: bytes, where: str) -> Mapping[str, object]:
    """Return the JSON object in ``content``.

    :raises FilesError: it is not one, or has too many values.
    """
    document = load_document(content, where)
    if not isinstance(document, dict):
        raise FilesError(f"{where} is {json_kind(document)}, not a JSON object")
    return document


def load_document(content: bytes, where: str) -> object:
    """Return the JSON value in ``content``.

    :raises FilesError: it is not valid JSON, or has too many values.
    """
    if sum(content.count(delimiter) for delimiter in b",[{") > _MAX_DELIMITERS:
        raise FilesError(f"{where} has more than {_MAX_DELIMITERS} values")
    try:
        document: object = load_json(content.decode(), steady=False)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise FilesError(f"{where} is not valid JSON: {reason}") from error
    return document


def full_name(name: str) -> str:
    """Return an image's name with what Docker lets people leave out.

    ``docker.io/library/alpine:3`` for ``alpine:3``.
    """
    host, slash, _ = name.partition("/")
    if slash and host != "docker.io" and (host == "localhost" or "." in host or ":" in host):
        return name
    short = name.removeprefix("docker.io/")
    return f"docker.io/{short}" if "/" in short else f"docker.io/library/{short}"


def tag_of(name: str) -> str | None:
    """Return the tag that a name is or ends with; None if it has none."""
    if is_tag(name):
        return name
    repository, colon, tag = name.rpartition(":")
    return tag if colon and repository and is_tag(tag) else None


def _as_written(entry: LayoutEntry, name: str) -> bool:
    return name in entry.names


def _in_full(entry: LayoutEntry, name: str) -> bool:
    wanted = full_name(name)
    return any(full_name(known) == wanted for known in entry.names if not is_tag(known))


def _by_tag(entry: LayoutEntry, name: str) -> bool:
    return entry.tag == name


def _is(entry: LayoutEntry, digest: Digest) -> bool:
    return entry.descriptor is not None and entry.descriptor.digest == digest


def _described(manifest: Descriptor) -> Mapping[str, object]:
    # Annotations of a list of referrers are the manifest's own; an entry does not repeat them.
    return replace(manifest, annotations=None).to_json()


def listed(names: Sequence[str]) -> str:
    """Return names for a message: the first of them, without what a terminal would act on."""
    shown = [name if name.isascii() and name.isprintable() else repr(name) for name in names]
    more = len(names) - _MOST_LISTED
    return ", ".join(name[:160] for name in shown[:_MOST_LISTED]) + (
        f" and {more} more" if more > 0 else ""
    )
