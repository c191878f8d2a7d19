"""Requests to one registry: authorized, redirected, retried and limited in one place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from yarl import URL

from ..spec import routes
from ..spec.endpoints import Endpoint
from ..spec.errors import RegistryError, Unavailable
from ..spec.scopes import Scope
from .access import Access
from .answers import Answer
from .authentication import Authentication
from .bodies import MakeBody, can_be_sent
from .connections import Connections
from .destinations import Destinations
from .errors import UrlRefused
from .options import ClientOptions
from .origins import Origin
from .retries import IDEMPOTENT, with_retries
from .tls import make_contexts

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MOST_REDIRECTS = 5
# Without authorization; with a token that turns out to have been withdrawn; with a new one.
_MOST_AUTHORIZATIONS = 3
_MAX_ERROR_BYTES = 64 * 2**10


@dataclass(frozen=True)
class _Request:
    """A request, to be sent once or several times."""

    method: str
    url: URL
    access: Access
    headers: Mapping[str, str]
    body: MakeBody | bytes | None = field(repr=False)
    follows: bool


class Session:
    """A session with one registry: its connections, and what it has granted."""

    def __init__(
        self, options: ClientOptions, connections: Connections, destinations: Destinations
    ) -> None:
        self.options = options
        self._registry = options.origin
        self._connections = connections
        self._destinations = destinations
        self._authentication = Authentication(options, destinations, self._send_to_token_service)
        self._slots = asyncio.Semaphore(options.parallel)

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
        contexts = await asyncio.to_thread(make_contexts, options.tls)
        destinations = Destinations(options.origin)
        async with AsyncExitStack() as stack:
            connections = Connections(options, destinations, contexts)
            stack.push_async_callback(connections.close)
            session = cls(options, connections, destinations)
            stack.push_async_callback(session._authentication.close)
            yield session

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
        :param retry: whether the request is repeated although it may have been executed, by default
            whether its method is idempotent (RFC 9110, section 9.2.2). A DELETE that is repeated
            may find nothing, nor may a PUT that finishes an upload. False: it is not repeated at
            all, not even if the registry was too busy.
        :raises RegistryError: the registry's error, for any other status. With ``Retry-After`` in
            its headers if the answer had that.
        :raises Unavailable: there was no answer, or it may not be fetched from where it is.
        """
        url = self._url(target)
        access = Access.of(_scopes_of(method, target, url) if scopes is None else scopes)
        follows = redirects and method in ("GET", "HEAD")
        request = _Request(method, url, access, headers, body, follows)
        return self._request(request, ok, retry=retry)

    @asynccontextmanager
    async def _request(
        self, request: _Request, ok: Collection[int], *, retry: bool | None
    ) -> AsyncGenerator[Answer]:
        answer = await with_retries(
            lambda: self._attempt(request),
            self.options.retries,
            may_repeat=request.method in IDEMPOTENT if retry is None else retry,
            can_send=lambda: retry is not False and can_be_sent(request.body),
        )
        try:
            if answer.status not in ok:
                raise await _error_of(answer)
            yield answer
        finally:
            answer.release()

    async def resolve_redirect(self, endpoint: Endpoint) -> str | None:
        """Return the URL that a GET is redirected to, signed perhaps, without following it.

        :return: None if the registry answers by itself.
        :raises RegistryError, Unavailable: as `request` does.
        """
        async with self.request("GET", endpoint, ok=(200, *_REDIRECTS), redirects=False) as answer:
            location = answer.headers.get("Location")
            if answer.status == 200 or location is None:
                return None
            return str(self._destinations.follow(location, URL(answer.url, encoded=True)))

    def check_url(self, url: str) -> None:
        """Check a URL that the registry gave, before it is requested by other means than this.

        Names are not resolved here: only requests of this session check what they resolve to.

        :raises UrlRefused: the registry may not send its clients there.
        """
        self._destinations.follow(url, self._registry.url)

    def _url(self, target: Endpoint | str) -> URL:
        """:raises UrlRefused: the registry may not send its clients there."""
        base = self._registry.url
        if isinstance(target, Endpoint):
            return base.join(URL(routes.build(target), encoded=True))
        return self._destinations.follow(target, base)

    async def _attempt(self, request: _Request) -> Answer:
        """Send a request, and follow where the registry redirects it to.

        Once that is another server, nothing is authorized any more.
        """
        url, is_own = request.url, Origin.of(request.url) == self._registry
        for _ in range(_MOST_REDIRECTS + 1):
            answer = (
                await self._authorized(request, url)
                if is_own
                else await self._send(request, url, request.headers)
            )
            location = answer.headers.get("Location")
            if not (request.follows and answer.status in _REDIRECTS and location):
                return answer
            await answer.discard()
            url = self._destinations.follow(location, url)
            is_own = is_own and Origin.of(url) == self._registry
        raise UrlRefused(f"{self._registry} redirected a request more than {_MOST_REDIRECTS} times")

    async def _authorized(self, request: _Request, url: URL) -> Answer:
        """Send a request to the registry as it demands, and return its answer."""
        access = request.access
        for count in range(1, _MOST_AUTHORIZATIONS + 1):
            used = await self._authentication.authorize(access)
            authorization = {"Authorization": used.header} if used else {}
            answer = await self._send(request, url, {**request.headers, **authorization})
            if answer.status not in (401, 403) or count == _MOST_AUTHORIZATIONS:
                return answer
            try:
                wanted = self._authentication.challenged(answer, used, access)
            except BaseException:
                answer.release()
                raise
            if wanted is None or not can_be_sent(request.body):
                return answer
            await answer.discard()
            access = wanted
        raise AssertionError

    async def _send(self, request: _Request, url: URL, headers: Mapping[str, str]) -> Answer:
        if callable(request.body):
            # What it sends may come from another answer, so it must not wait for one of the slots.
            return await self._connections.send(request.method, url, headers, request.body)
        async with self._slots:
            return await self._connections.send(request.method, url, headers, request.body)

    async def _send_to_token_service(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        return await with_retries(
            lambda: self._connections.send(method, url, headers, body),
            self.options.retries,
            may_repeat=True,
            can_send=lambda: True,
        )


def _scopes_of(method: str, target: Endpoint | str, url: URL) -> Sequence[Scope]:
    """Return what a token must allow, as far as it is known before the registry is asked."""
    try:
        if not isinstance(target, Endpoint):
            target = routes.parse(method, url.path, tuple(url.query.items()))
    except RegistryError:
        return ()  # a URL of the registry's own making: its challenge names the scopes
    return (*target.scopes, *target.optional_scopes)


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
