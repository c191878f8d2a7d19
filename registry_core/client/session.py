"""Requests to one registry: authorized, redirected, retried and limited in one place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Self

from yarl import URL

from ..spec import routes
from ..spec.endpoints import Endpoint
from ..spec.errors import RegistryError, Unavailable
from ..spec.scopes import Scope
from .answers import Answer
from .bodies import MakeBody
from .connections import Connections
from .destinations import Destinations
from .errors import AttemptFailed
from .options import ClientOptions
from .tls import make_contexts

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_MAX_ERROR_BYTES = 64 * 2**10


class Session:
    """A session with one registry: its connections, and what it has granted."""

    def __init__(self, options: ClientOptions, connections: Connections) -> None:
        self.options = options
        self._connections = connections

    @property
    def connections(self) -> Connections:
        """What sends requests one by one, as they are: for the relay, which passes others' on."""
        return self._connections

    @classmethod
    @asynccontextmanager
    async def open(cls, options: ClientOptions) -> AsyncGenerator[Self]:
        """Open a session; nothing is sent yet.

        :raises ValueError: a certificate or a key cannot be read.
        """
        destinations = Destinations(options.origin)
        contexts = await asyncio.to_thread(make_contexts, options.tls)
        connections = Connections(options, destinations, contexts)
        try:
            yield cls(options, connections)
        finally:
            await connections.close()

    def request(
        self,
        method: str,
        target: Endpoint | str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: MakeBody | bytes | None = None,
        ok: Collection[int] = (200,),
        redirects: bool = True,
        scopes: Sequence[Scope] | None = None,
        retry: bool | None = None,
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a request, and return its answer, whose body is read inside the context.

        :param target: an endpoint; or a URL that the registry gave in an answer, absolute or
            relative, which is sent no credentials if it is another server's.
        :param body: bytes; or what makes the body for each attempt, which is sent in chunks. With
            `OneShot` the request is not repeated once the body has begun.
        :param ok: the statuses of answers to return.
        :param redirects: whether GET and HEAD are redirected; others never are.
        :param scopes: what a token must allow, by default what the endpoint requires.
        :param retry: whether the request may be repeated although it may have been executed, by
            default whether its method is idempotent (RFC 9110, section 9.2.2).
        :raises RegistryError: the registry's error, for any other status.
        :raises Unavailable: there was no answer, or it may not be fetched from where it is.
        """
        return self._request(method, target, headers, body, ok)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        target: Endpoint | str,
        headers: Mapping[str, str],
        body: MakeBody | bytes | None,
        ok: Collection[int],
    ) -> AsyncGenerator[Answer]:
        base = self.options.origin.url
        text = routes.build(target) if isinstance(target, Endpoint) else target
        try:
            async with self._connections.send(
                method, base.join(URL(text, encoded=True)), headers, body
            ) as response:
                answer = Answer.of(response, self.options.timeouts.answer)
                if answer.status not in ok:
                    raise await _error_of(answer)
                yield answer
        except AttemptFailed as failure:
            raise failure.error from None

    async def resolve_redirect(self, endpoint: Endpoint) -> str | None:
        """Return the URL that a GET is redirected to, signed perhaps, without following it.

        :return: None if the registry answers by itself.
        :raises RegistryError, Unavailable: as `request` does.
        """
        async with self.request(
            "GET", endpoint, ok=(200, 301, 302, 303, 307, 308), redirects=False
        ) as answer:
            return answer.headers.get("Location")


async def _error_of(answer: Answer) -> RegistryError:
    """Return the error that an answer is."""
    try:
        content = await answer.read(_MAX_ERROR_BYTES)
    except Unavailable:
        content = b""
    error = RegistryError.parse(answer.status, content)
    if wait := answer.headers.get("Retry-After"):
        error.headers = {"Retry-After": wait}
    return error
