"""The race for content: the same blob is uploaded by PATCH and PUT, mounted and read at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import httpx

from registry_core.spec.digest import Digest
from tests.support.wire import Wire, fresh_name

from .race import Race, error_code


class SameBlob(Race):
    """Rounds with a new blob of ``size`` each; at least one."""

    def __init__(
        self,
        hosts: Sequence[httpx.AsyncClient],
        seconds: float,
        size: int,
        *,
        writers: int = 16,
        readers: int = 8,
        **at_least: int,
    ) -> None:
        super().__init__(hosts, seconds, writers=writers, readers=readers, **at_least)
        self._size = size
        self._next()

    def _next(self) -> None:
        self._content = os.urandom(self._size)
        self._digest = Digest.of(self._content)
        self.counts["blobs"] += 1

    async def race(self) -> None:
        await self.run(self._upload_by_all, self._read, writers=1)

    async def _upload_by_all(self, _: int) -> None:
        await asyncio.gather(
            *(self._upload(n) for n in range(self.writers)),
            *(self._mount(n) for n in range(len(self.hosts))),
        )
        self._next()

    async def _upload(self, number: int) -> None:
        """Upload as docker does (PATCH) or as containerd does (PUT)."""
        wire = self.wire(number // 2)
        location, content = await wire.start(), self._content
        if number % 2:
            answer = await wire.finish(location, self._digest, content)
            self.expect(answer, 201, "uploads by PUT")
            return
        answer = await wire.patch(location, content)
        if self.expect(answer, 202, "chunks"):
            answer = await wire.finish(answer.headers["Location"], self._digest)
            self.expect(answer, 201, "uploads by PATCH")

    async def _mount(self, number: int) -> None:
        """Mount into another repository as soon as possible."""
        wire = Wire(self.wire(number).client, fresh_name(), set)
        source = {"mount": str(self._digest), "from": self.repository}
        while True:
            answer = await wire.client.post(f"{wire.base}/blobs/uploads/", params=source)
            if answer.status_code != 202:
                break
            self.counts["mounts of nothing"] += 1
            await asyncio.sleep(0.02)
        if self.expect(answer, 201, "mounts"):
            self._judge(await self._get(wire, self._digest), self._content, "reads of mounted")

    async def _read(self, number: int) -> None:
        content, digest = self._content, self._digest
        answer = await self._get(self.wire(number), digest)
        if answer.status_code == 404 and error_code(answer) == "BLOB_UNKNOWN":
            self.counts["reads of nothing"] += 1
        else:
            self._judge(answer, content, "reads")

    async def _get(self, wire: Wire, digest: Digest) -> httpx.Response:
        return await wire.client.get(f"{wire.base}/blobs/{digest}", follow_redirects=True)

    def _judge(self, answer: httpx.Response, content: bytes, kind: str) -> None:
        if self.expect(answer, 200, kind) and answer.content != content:
            self.fault(kind, answer)
