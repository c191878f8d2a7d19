"""Where the bytes of an upload go: straight to storage, or in chunks to the registry.

To storage, if the registry offers that and storage can be reached from here: this is what the relay
is for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from ..client.bodies import OneShot
from ..client.session import Session
from ..client.staged_upload import BlockStager
from ..spec import routes
from ..spec.digest import Digest
from ..spec.endpoints import HeadBlob
from ..spec.errors import Denied, Unauthorized, Unavailable
from ..spec.staging import STAGING, Staging
from ..storage.ingest import BLOCK
from .bodies import PushedBody
from .headers import Headers
from .memory import LARGEST_BLOCK, Memory
from .uploads import OCTETS, Begun, Destination
from .upstream import Answered, Refused, Upstream

_log = logging.getLogger(__name__)

_AVOIDED = 600.0
"""In seconds: how long storage that could not be reached is not tried again."""

_ADDED = frozenset({HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})


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


@dataclass
class PassedUpload:
    """A destination: bodies go to the registry as they come, in chunks of the size it advises.

    A registry without advice gets each body whole, as the client sent it.

    ``path_of`` returns the path of a URL of the registry, and None for another server's.
    """

    begun: Begun
    upstream: Upstream
    path_of: Callable[[str], str | None]
    can_restart = False
    held = 0

    async def take(self, body: PushedBody, headers: Headers) -> None:
        while await body.has_more():
            portion = OneShot(body.portion(self.begun.chunk_limit))
            answer = await self.upstream.call(
                "PATCH", self.begun.location, [*headers, OCTETS], portion
            )
            if answer.status not in _ADDED:
                raise Refused(answer)
            self._move(answer)

    def _move(self, answer: Answered) -> None:
        location = answer.header("location")
        if location is None:
            return
        path = self.path_of(location)
        if path is None:
            raise Unavailable(
                "the registry continues an upload on another host",
                public="the registry continues the upload on another host; push without the relay",
            )
        self.begun = replace(self.begun, location=path)

    async def shed(self) -> None:
        """Do nothing: everything is sent as it comes."""

    async def finish(self, digest: Digest, headers: Headers) -> Answered:
        answer, _ = await self.upstream.call_until_done(
            "PUT", self.begun.finishing(digest), headers
        )
        return answer

    async def abort(self) -> None:
        """Do nothing: nothing is under way."""


@dataclass
class Chooser:
    """Chooses the destination of each upload.

    ``path_of`` returns the path of a URL of the registry, and None for another server's.
    """

    channel: Channel
    path_of: Callable[[str], str | None]
    _avoided_until: float = 0.0

    async def choose(self, begun: Begun, body: PushedBody, headers: Headers) -> Destination:
        """Return the destination of an upload. A block of its body may have been taken already.

        :raises Unavailable: the registry does not answer.
        :raises ClientDisconnect: the client hung up.
        """
        if time.monotonic() >= self._avoided_until:
            staged = await self._begin_staging(begun, body, headers)
            if staged is not None:
                return staged
        return PassedUpload(begun, self.channel.upstream, self.path_of)

    async def _begin_staging(
        self, begun: Begun, body: PushedBody, headers: Headers
    ) -> StagedUpload | None:
        """Stage the first block; return None, and leave it in the body, if that is not possible."""
        staging = await open_staging(self.channel.upstream, begun, headers)
        if staging is None:
            return None
        first = b"".join([piece async for piece in body.portion(BLOCK)])
        upload = StagedUpload(self.channel, begun, staging, headers)
        try:
            await upload.begin(first)
        except (Denied, Unauthorized, Unavailable) as error:
            _log.warning(
                "storage cannot be used from here: %s; for %d minutes layers go through the "
                "registry, which is slower and costs more",
                error,
                _AVOIDED / 60,
            )
            self._avoided_until = time.monotonic() + _AVOIDED
            await upload.abort()
            body.unread(first)
            return None
        return upload
