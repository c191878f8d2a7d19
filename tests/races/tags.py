"""Races for tags: moved, replaced after another registry, deleted, and immutable."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence

import httpx

from registry_core.spec.digest import Digest

from .race import Race, error_code

TAG = "latest"
WRITE_ONCE = "**:once-*"
"""The `REGISTRY_TAGS_IMMUTABLE` that `SetOnce` requires; no other race uses such tags."""


class Moved(Race):
    """All writers push to one tag, which always exists."""

    async def race(self) -> None:
        await self.push_blobs()
        await self.wire(0).put_manifest(TAG, self.new_manifest())
        await self.run(self.move, self.read)

    async def move(self, number: int) -> None:
        answer = await self.wire(number).put_manifest(TAG, self.new_manifest())
        self.expect(answer, 201, "pushes")

    async def read(self, number: int, tag: str = TAG) -> None:
        """Read by tag, then at the other host by the digest of the answer."""
        wire = self.wire(number)
        answer = await wire.client.get(f"{wire.base}/manifests/{tag}")
        if digest := self.judge_manifest(answer, "reads by tag"):
            other = self.wire(number + 1)
            answer = await other.client.get(f"{other.base}/manifests/{digest}")
            self.judge_manifest(answer, "reads by digest")


class Replaced(Moved):
    """All writers push at once to each of many tags whose links another registry wrote."""

    async def race_for(self, tags: Sequence[str]) -> None:
        """Run the race over ``tags``, which point to manifests that were sent."""
        coming = iter(tags[1:])
        racing = tags[:1]

        async def replace(_: int) -> None:
            nonlocal racing
            tag = racing[-1]
            manifests = [self.new_manifest() for _ in range(self.writers)]
            pushes = [self.wire(n).put_manifest(tag, m) for n, m in enumerate(manifests)]
            for answer in await asyncio.gather(*pushes):
                self.expect(answer, 201, "pushes")
            self.counts["tags"] += 1
            if following := next(coming, None):
                racing = [tag, following]
            else:
                self.stop()

        async def read(number: int) -> None:
            await self.read(number, racing[number % len(racing)])

        await self.run(replace, read, writers=1)


class Deleted(Race):
    """A few manifests are pushed to one tag and deleted by tag and by digest, continuously.

    ``kept`` are manifests that are never deleted by digest.
    """

    def __init__(self, hosts: Sequence[httpx.AsyncClient], seconds: float, **at_least: int) -> None:
        super().__init__(hosts, seconds, **at_least)
        self._random = random.Random(4)
        self._deleted = [self.new_manifest() for _ in range(8)]
        self.kept = [self.new_manifest() for _ in range(4)]

    async def race(self) -> None:
        await self.push_blobs()
        for manifest in self.kept:
            await self.wire(0).put_manifest(Digest.of(manifest), manifest)
        await self.run(self._write, self._read)

    async def _write(self, number: int) -> None:
        """One of four clients deletes."""
        if number % 4:
            manifest = self._random.choice(self._deleted + self.kept)
            answer = await self.wire(number).put_manifest(TAG, manifest)
            self.expect(answer, 201, "pushes")
            return
        wire = self.wire(number // 4)
        by_tag = self._random.random() < 0.5
        reference = TAG if by_tag else Digest.of(self._random.choice(self._deleted))
        answer = await wire.client.delete(f"{wire.base}/manifests/{reference}")
        kind = "tag" if by_tag else "manifest"
        if self._is_absent(answer, f"{kind} deletions of nothing"):
            return
        if not by_tag and "was pushed again during its deletion" in answer.text:
            self.expect(answer, 503, "manifest deletions that met a push", "UNAVAILABLE")
            return
        self.expect(answer, 202, f"{kind} deletions")

    async def _read(self, number: int) -> None:
        wire = self.wire(number)
        reference = TAG if number % 4 else self._random.choice(list(self.sent))
        answer = await wire.client.get(f"{wire.base}/manifests/{reference}")
        how = "tag" if number % 4 else "digest"
        may_be_absent = number % 4 or self.sent[reference] not in self.kept
        if not (may_be_absent and self._is_absent(answer, f"reads by {how} of nothing")):
            self.judge_manifest(answer, f"reads by {how}")

    def _is_absent(self, answer: httpx.Response, kind: str) -> bool:
        is_absent = answer.status_code == 404 and error_code(answer) == "MANIFEST_UNKNOWN"
        self.counts[kind] += is_absent
        return is_absent


class SetOnce(Race):
    """All writers push different manifests at once to each of many immutable tags."""

    def __init__(self, hosts: Sequence[httpx.AsyncClient], seconds: float, **at_least: int) -> None:
        super().__init__(hosts, seconds, **at_least)
        self._tags = (f"once-{number}" for number in itertools.count())
        self._tag = next(self._tags)
        self._seen: dict[str, set[str]] = {self._tag: set()}

    async def race(self) -> None:
        await self.push_blobs()
        await self.run(self._write, self._read, writers=1)
        for tag, seen in self._seen.items():
            if len(seen) > 1:
                self.faults.append(f"{tag} was seen to be {seen}")

    async def _write(self, _: int) -> None:
        tag = self._tag
        manifests = [self.new_manifest() for _ in range(self.writers)]
        answers = await asyncio.gather(
            *(self.wire(n).put_manifest(tag, m) for n, m in enumerate(manifests))
        )
        won = [m for m, answer in zip(manifests, answers, strict=True) if answer.status_code == 201]
        for answer in answers:
            if answer.status_code != 201:
                self.expect(answer, 409, "refused pushes", "DENIED")
        if len(won) != 1:
            self.faults.append(f"{tag} has {len(won)} winners")
        for number, manifest in enumerate(won):
            await self._check_winner(tag, manifest, number)
        self.counts["tags"] += 1
        self._tag = next(self._tags)
        self._seen[self._tag] = set()

    async def _check_winner(self, tag: str, manifest: bytes, number: int) -> None:
        """The winner may be pushed again but not deleted, and every host has it."""
        self._seen[tag].add(str(Digest.of(manifest)))
        wire = self.wire(number)
        answer = await wire.client.delete(f"{wire.base}/manifests/{tag}")
        self.expect(answer, 409, "refused deletions", "DENIED")
        self.expect(await wire.put_manifest(tag, manifest), 201, "winners pushed again")
        for host in range(len(self.hosts)):
            await self._read_tag(host, tag)

    async def _read(self, number: int) -> None:
        await self._read_tag(number, self._tag)

    async def _read_tag(self, number: int, tag: str) -> None:
        """Once a client has seen the tag, every later read sees it."""
        wire, is_known = self.wire(number), bool(self._seen[tag])
        answer = await wire.client.get(f"{wire.base}/manifests/{tag}")
        if answer.status_code == 404 and not is_known:
            self.expect(answer, 404, "reads of nothing", "MANIFEST_UNKNOWN")
        elif digest := self.judge_manifest(answer, "reads by tag"):
            self._seen[tag].add(digest)
