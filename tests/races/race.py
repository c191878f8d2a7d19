"""The base of all races: hosts, concurrent readers and writers, and a check of every answer.

A race does not stop at the first fault; it counts answers and collects faults.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import httpx

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_manifest
from tests.support.wire import Wire, fresh_name

LAYER = b"the layer of every manifest in a race"
_SHOWN = 10
_PATIENCE = 30.0


class Race:
    """Clients of one repository that use the hosts of the registry in turn.

    ``counts`` has the answers by kind, ``faults`` those that must never occur. ``sent`` has each
    manifest by its digest, from before its first push on.
    """

    def __init__(
        self,
        hosts: Sequence[httpx.AsyncClient],
        seconds: float,
        *,
        writers: int = 16,
        readers: int = 16,
        **at_least: int,
    ) -> None:
        """``at_least``: how often each kind must be seen; the race continues until then."""
        self.hosts = hosts
        self.seconds = seconds
        self.at_least = {kind.replace("_", " "): number for kind, number in at_least.items()}
        self.writers = writers
        self.readers = readers
        self.repository = fresh_name()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.sent: dict[str, bytes] = {}
        self._numbers = itertools.count()
        self._started = 0.0
        self._stopped = False

    def wire(self, number: int) -> Wire:
        """Return the repository at one of the hosts."""
        return Wire(self.hosts[number % len(self.hosts)], self.repository, set)

    async def push_blobs(self) -> None:
        """Push the blobs that every manifest of `new_manifest` references."""
        for content in (CONFIG, LAYER):
            await self.wire(0).push_blob(content)

    def new_manifest(self) -> bytes:
        """Return a manifest that was never pushed."""
        manifest = image_manifest(LAYER, annotations={"number": str(next(self._numbers))})
        self.sent[str(Digest.of(manifest))] = manifest
        return manifest

    async def run(
        self,
        write: Callable[[int], Awaitable[object]],
        read: Callable[[int], Awaitable[object]],
        *,
        writers: int | None = None,
    ) -> None:
        """Run readers and writers in loops; readers continue until the last writer ends."""
        self._started = time.monotonic()

        async def read_on(number: int) -> None:
            while not writing.done():
                await read(number)
                await asyncio.sleep(0)  # a host in this process may never suspend

        async def write_on(number: int) -> None:
            while not self.is_over:
                await write(number)
                await asyncio.sleep(0)

        writing = asyncio.gather(*(write_on(n) for n in range(writers or self.writers)))
        await asyncio.gather(writing, *(read_on(n) for n in range(self.readers)))

    @property
    def is_over(self) -> bool:
        """Whether the time is up and enough was seen, or the race was stopped or is stuck."""
        passed = time.monotonic() - self._started
        if self._stopped:
            return True
        return passed > self.seconds and (not self.missing or passed > self.seconds + _PATIENCE)

    def stop(self) -> None:
        """End the race early."""
        self._stopped = True

    @property
    def missing(self) -> list[str]:
        """The kinds that have not been seen often enough."""
        return [kind for kind, least in self.at_least.items() if self.counts[kind] < least]

    def expect(self, answer: httpx.Response, status: int, kind: str, code: str = "") -> bool:
        """Count an answer, or record a fault if it is another one. Returns whether it is right."""
        if answer.status_code != status or (code and error_code(answer) != code):
            self.fault(kind, answer)
            return False
        self.counts[kind] += 1
        return True

    def judge_manifest(self, answer: httpx.Response, kind: str) -> str | None:
        """Count a read if it has a whole manifest that was sent, and return its digest."""
        digest: str = answer.headers.get("Docker-Content-Digest", "")
        right = (
            answer.status_code == 200
            and str(Digest.of(answer.content)) == digest
            and self.sent.get(digest) == answer.content
            and answer.headers["Content-Type"] == media_types.OCI_MANIFEST
        )
        if not right:
            self.fault(kind, answer)
            return None
        self.counts[kind] += 1
        return digest

    def fault(self, kind: str, answer: httpx.Response) -> None:
        digest = answer.headers.get("Docker-Content-Digest")
        self.faults.append(
            f"{kind}: {answer.status_code}, digest {digest}, {answer.content[:300]!r}"
        )

    def verdict(self) -> str:
        """Return the counts in one line.

        :raises AssertionError: when there are faults, or a kind was seen too seldom.
        """
        text = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        faults = "\n".join(self.faults[:_SHOWN])
        assert not self.faults, f"{len(self.faults)} faults beside {text}:\n{faults}"
        assert not self.missing, f"too few {', '.join(self.missing)} in {text}"
        return text


def error_code(answer: httpx.Response) -> str:
    """Return the code of an error answer, or "" when the body is not the error JSON."""
    if answer.headers.get("Content-Type") != "application/json":
        return ""
    code: str = answer.json()["errors"][0]["code"]
    return code
