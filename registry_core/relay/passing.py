"""Uploads whose bytes go to the registry, because it offers no staging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from ..client.bodies import OneShot
from ..spec.digest import Digest
from ..spec.errors import Unavailable
from .bodies import PushedBody
from .headers import Headers
from .uploads import OCTETS, Begun
from .upstream import Answered, Refused, Upstream

_ADDED = frozenset({HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})


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
