"""Links, judged one by one: whole, of the right kind, and saying what their path says."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from ...aio import together
from ...object_store.interface import NotFound, Properties
from ...spec.digest import SHA256, Digest
from ...spec.errors import DigestInvalid
from ...storage.layout_parse import Kind, Place
from ...storage.links import read_link
from .case import Case, finished, for_each
from .repairs import describe, rewrite
from .replacing import BATCH, Replacement, replace_links
from .report import Finding, Trouble

_AT_ONCE = 16
_LONGEST = 1024  # no digest is longer


@dataclass
class Seen:
    """A link as it was seen, and, once that is known, where it leads: None when it is torn."""

    path: str
    place: Place
    properties: Properties
    target: Digest | None = None

    @property
    def is_alias(self) -> bool:
        """Whether it leads to the same bytes under another digest, as CNCF distribution has it."""
        path, target = self.place.digest, self.target
        return (
            self.place.kind is Kind.LAYER_LINK
            and path is not None
            and target is not None
            and path.algorithm != SHA256 == target.algorithm
        )

    def read_metadata(self) -> bool:
        """Whether the listing is enough to know that the link is whole and where it leads."""
        self.target = _parse(self.properties.metadata.get("digest", ""))
        return (
            self.target is not None
            and self.properties.size == len(str(self.target))
            and self.place.digest in (None, self.target)
        )


@dataclass
class Links:
    """The links of one repository. ``waiting`` is what a listing alone does not settle."""

    case: Case
    waiting: list[Seen] = field(default_factory=list)
    append: list[Seen] = field(default_factory=list)

    def take(self, seen: Seen) -> None:
        """No call is made."""
        dangling = seen.place.kind is Kind.LAYER_LINK and not self._has_content(seen)
        if not seen.read_metadata() or seen.properties.is_append or dangling:
            self.waiting.append(seen)

    def _has_content(self, seen: Seen) -> bool:
        return seen.place.digest is not None and seen.place.digest in self.case.content

    async def settle(self) -> None:
        """Judge all that wait. A call each to read, where the listing did not tell."""
        waiting, self.waiting = self.waiting, []
        await for_each(waiting, self._judge, _AT_ONCE)
        append, self.append = self.append, []
        # Tags come after their indexes, which stand in for them.
        for are_tags in (False, True):
            due = [seen for seen in append if (seen.place.kind is Kind.TAG_LINK) is are_tags]
            for start in range(0, len(due), BATCH):
                await finished(self._replace(due[start : start + BATCH]))

    async def _judge(self, seen: Seen) -> None:
        with suppress(NotFound):  # deleted since
            if not seen.read_metadata():
                await self._read(seen)
            expected = seen.target if seen.is_alias else seen.place.digest
            if seen.is_alias and expected:
                self.case.content.mark(expected)
            if expected and seen.target != expected:
                await self._torn(seen, expected)
            elif (
                seen.place.kind is Kind.LAYER_LINK
                and expected
                and await self.case.size_of(expected) is None
            ):
                await self._dangling(seen)
            elif seen.properties.is_append and seen.target:
                self.append.append(seen)

    async def _read(self, seen: Seen) -> None:
        """Where it leads, and its properties by now. :raises NotFound:"""
        seen.target = None
        if seen.properties.size > _LONGEST:
            return
        found = await self.case.store.get(seen.path)
        if not found.content.strip():
            with suppress(NotFound):  # that it stays empty is seen below
                await read_link(self.case.store, seen.path)
            found = await self.case.store.get(seen.path)
        seen.properties = found.properties
        seen.target = _parse(found.content.decode("ascii", errors="replace").strip())

    async def _torn(self, seen: Seen, expected: Digest) -> None:
        holds = f"leads to {seen.target}" if seen.target else "holds no digest"
        repair = partial(
            rewrite,
            self.case,
            seen.place.kind,
            seen.path,
            expected,
            etag=seen.properties.etag,
            is_append=seen.properties.is_append,
        )
        await self.case.found(
            Trouble.LINK_TORN,
            seen.path,
            f"link {holds}, its path says {expected}",
            repository=seen.place.repository,
            repair=repair,
        )

    async def _dangling(self, seen: Seen) -> None:
        if await self.case.is_there(seen.path):
            await self.case.found(
                Trouble.BLOB_DANGLING,
                seen.path,
                f"the content of blob {seen.target} is missing",
                repository=seen.place.repository,
            )

    async def _replace(self, batch: Sequence[Seen]) -> None:
        replaced = [False] * len(batch)
        if self.case.may_repair:
            replacements = await together([self._replacement(seen) for seen in batch])
            replaced = await replace_links(self.case.store, self.case.layout, replacements)
        for seen, done in zip(batch, replaced, strict=True):
            finding = Finding(
                Trouble.LINK_APPEND,
                seen.path,
                "link is an append blob",
                seen.place.repository,
                repairable=True,
                repaired="replaced by a block blob" if done else "",
            )
            self.case.report.add(finding)

    async def _replacement(self, seen: Seen) -> Replacement:
        assert seen.target is not None
        place = seen.place
        told = await describe(self.case, place.kind, seen.target)
        # A tag is read from its index while its current link is missing.
        index = self.case.layout.tag_index_link(place.repository, place.tag, seen.target)
        stand_in = index if place.kind is Kind.TAG_LINK else ""
        return Replacement(seen.path, seen.properties.etag, told, stand_in)


def _parse(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except DigestInvalid:
        return None
