"""The registry behind the relay: requests with the headers of its clients, and its answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urljoin

from yarl import URL

from ..client.answers import Answer
from ..client.bodies import MakeBody, OneShot
from ..client.connections import Connections
from ..client.errors import AttemptFailed, PeerUnavailable
from ..client.origins import Origin
from ..spec.retry_after import parse_retry_after
from .headers import Headers, of_answer

_ANSWER_BYTES = 256 * 2**10
"""The most of an answer that is read whole: errors, and what an upload is answered with."""

# Others have no meaning for clients of a registry: RFC 9110, section 15.
_LEAST_STATUS, _MOST_STATUS = 200, 599

_CONNECTION_ATTEMPTS = 3
_CONNECTION_DELAY = 0.2

_BUSY = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
_MAY_CHANGE = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
)
_ATTEMPTS = 5
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0  # in seconds
_PATIENCE = 3600.0
"""In seconds: how long a request is repeated because the registry wants it again (429). In an hour
it hashes hundreds of GiB.
"""


@dataclass(frozen=True)
class Answered:
    """An answer of the registry that was read whole."""

    status: int
    headers: Headers
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """Return the last header of a name, which is in lower case; None if there is none."""
        values = [value for key, value in self.headers if key == name]
        return values[-1] if values else None

    @property
    def wanted_again_after(self) -> float | None:
        """The seconds after which the registry wants the same request again; None: it does not."""
        seconds = parse_retry_after(self.header("retry-after"))
        if self.status != HTTPStatus.TOO_MANY_REQUESTS or seconds is None:
            return None
        return min(seconds, _LONGEST_DELAY)

    @property
    def may_change(self) -> bool:
        """Whether the same request may be answered differently later, or with other credentials."""
        return self.status in _MAY_CHANGE or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class Refused(Exception):
    """The registry did not do what was requested; the client gets its answer."""

    def __init__(self, answer: Answered) -> None:
        super().__init__(f"the registry answered with status {answer.status}")
        self.answer = answer


class Upstream:
    """Sends requests to the registry."""

    def __init__(self, connections: Connections, registry: Origin) -> None:
        self._connections = connections
        self._registry = registry

    @asynccontextmanager
    async def send(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: MakeBody | bytes | None = None,
    ) -> AsyncGenerator[Answer]:
        """Send a request, and return its answer, whose body is read inside the context.

        A request whose connection breaks is sent again, except for one with a `OneShot`. Redirects
        are not followed.

        :param target: a path with a query, percent-encoded.
        :param headers: their names in lower case.
        :param body: bytes are sent with their length; what makes a body, in chunks.
        :raises Unavailable: the registry does not answer.
        :raises Exception: what the source of the body raised.
        """
        # Not joined as a reference: a target that begins with "//" would name another host.
        url = URL(f"{self._registry}/{target.removeprefix('/')}", encoded=True)
        answer = await self._sent(method, url, _joined(headers), body)
        try:
            if not _LEAST_STATUS <= answer.status <= _MOST_STATUS:
                raise PeerUnavailable(f"{self._registry} answered with status {answer.status}")
            yield answer
        finally:
            answer.release()

    async def _sent(
        self, method: str, url: URL, headers: dict[str, str], body: MakeBody | bytes | None
    ) -> Answer:
        attempts = 1 if isinstance(body, OneShot) else _CONNECTION_ATTEMPTS
        for attempt in range(1, attempts):
            with suppress(AttemptFailed):
                return await self._connections.send(method, url, headers, body)
            await asyncio.sleep(_CONNECTION_DELAY * attempt)
        try:
            return await self._connections.send(method, url, headers, body)
        except AttemptFailed as failure:
            raise failure.error from None

    async def call(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: MakeBody | bytes | None = None,
    ) -> Answered:
        """Send a request as `send` does, and return the whole answer.

        :raises Unavailable: the registry does not answer, or at great length.
        :raises Exception: what the source of the body raised.
        """
        async with self.send(method, target, headers, body) as answer:
            content = await answer.read(_ANSWER_BYTES)
            headers = _resolved(target, of_answer(answer.headers.items()))
            return Answered(answer.status, headers, content)

    async def call_until_done(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: MakeBody | None = None,
    ) -> tuple[Answered, bool]:
        """Send a request until it is answered with more than "again" or "busy".

        Returns the last answer, and whether an earlier answer may have been lost.

        :raises Unavailable: the registry does not answer.
        """
        began, failures = time.monotonic(), 0
        while True:
            delay = _FIRST_DELAY * 2**failures
            try:
                answer = await self.call(method, target, headers, body)
            except PeerUnavailable:
                failures += 1
                if failures == _ATTEMPTS:
                    raise
            else:
                if answer.status in _BUSY and failures < _ATTEMPTS - 1:
                    failures += 1
                elif answer.wanted_again_after is None or time.monotonic() - began > _PATIENCE:
                    return answer, failures > 0
                else:
                    delay = answer.wanted_again_after
            await asyncio.sleep(delay)


def _resolved(target: str, headers: Headers) -> Headers:
    """Return an answer's headers; a ``Location`` may be relative to what was requested."""
    return [
        (name, _followed(target, value) if name == "location" else value) for name, value in headers
    ]


def _followed(target: str, location: str) -> str:
    try:
        return urljoin(target, location)
    except ValueError:
        return location  # malformed


def _joined(headers: Headers) -> dict[str, str]:
    """Return headers, each name once (RFC 9110, section 5.3) and spelt as the client spells it."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.title()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined
