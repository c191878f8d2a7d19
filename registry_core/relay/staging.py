"""Uploads whose blocks go straight to storage: what the relay is for."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from ..client.session import Session
from ..client.staged_upload import BlockStager
from ..spec import routes
from ..spec.digest import Digest
from ..spec.endpoints import HeadBlob
from ..spec.staging import STAGING, Staging
from .bodies import PushedBody
from .headers import Headers
from .memory import LARGEST_BLOCK, Memory
from .uploads import Begun
from .upstream import Answered, Upstream


@dataclass(frozen=True)
class Channel:
    """The ways from the relay: to the registry, and to storage; with bounded memory."""

    upstream: Upstream
    storage: Session
    memory: Memory


async def open_staging(upstream: Upstream, begun: Begun, headers: Headers) -> Staging | None:
    """Return where the blocks of an upload are staged; None where the registry offers no staging.

    :raises Unavailable: the registry does not answer.
    """
    target = begun.target("staging=1")
    answer, _ = await upstream.call_until_done("GET", target, headers)
    media_type = (answer.header("content-type") or "").partition(";")[0].strip()
    if answer.status != HTTPStatus.OK or media_type != STAGING:
        return None
    try:
        return Staging.parse(answer.body)
    except ValueError:
        return None


class StagedUpload:
    """A destination: the blocks are staged in storage, and the registry gets their number."""

    can_restart = True

    def __init__(self, channel: Channel, begun: Begun, staging: Staging, headers: Headers) -> None:
        """Stage nothing yet."""
        self._upstream = channel.upstream
        self._begun = begun
        self._headers = headers
        self._stager = BlockStager(
            channel.storage,
            staging,
            self._renew,
            budget=channel.memory.in_flight,
            largest=LARGEST_BLOCK,
        )

    async def _renew(self) -> Staging | None:
        return await open_staging(self._upstream, self._begun, self._headers)

    @property
    def held(self) -> int:
        return self._stager.held

    async def begin(self, first: bytes) -> None:
        """Stage the first bytes, and wait until they have arrived.

        :raises Unavailable, Denied, Unauthorized: storage cannot be reached, or refuses.
        """
        await self._stager.add(first)
        await self.shed()

    async def take(self, body: PushedBody, headers: Headers) -> None:
        self._headers = headers  # the latest credentials
        async for piece in body.portion():
            await self._stager.add(piece)

    async def shed(self) -> None:
        await self._stager.finish()

    async def finish(self, digest: Digest, headers: Headers) -> Answered:
        blocks = await self._stager.finish()
        target = self._begun.finishing(digest) + f"&blocks={blocks}"
        answer, answer_lost = await self._upstream.call_until_done("PUT", target, headers)
        if answer.status == HTTPStatus.NOT_FOUND and answer_lost:
            return await self._finished_before(digest, headers) or answer
        return answer

    async def abort(self) -> None:
        await self._stager.abort()

    async def _finished_before(self, digest: Digest, headers: Headers) -> Answered | None:
        """Return the answer to a finished upload, if a request did it whose answer was lost."""
        blob = routes.build(HeadBlob(self._begun.repository, digest))
        found = await self._upstream.call("HEAD", blob, headers)
        if found.status != HTTPStatus.OK:
            return None
        created = [("location", blob), ("docker-content-digest", str(digest))]
        return Answered(HTTPStatus.CREATED, created)
