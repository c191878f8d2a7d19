"""Requests to Blob Storage: authorized, limited in time, retried and counted, in one place.

One aiohttp session keeps the connections. aiohttp repeats a request once by itself when a kept
connection breaks (RFC 9112, 9.3.1), so requests are counted where their headers are sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from types import MappingProxyType, SimpleNamespace
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from aiohttp import (
    BaseConnector,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    TraceConfig,
    TraceRequestHeadersSentParams,
)
from yarl import URL

from ...observe import count_storage_call
from ..interface import Buffer, StoreError, StoreUnavailable
from .errors import StorageTarget, is_from_storage, to_error
from .limits import MIB, Limits
from .retries import Outcome, delay_before, outcome_of

T = TypeVar("T")

DEFAULT_API_VERSION = "2026-02-06"
"""The oldest version of the protocol with everything that is used: `startFrom` of listings."""

OnCall = Callable[[str, str], None]
"""Called for every attempt with its HTTP method and the operation."""

# Seconds. Storage ends idle connections later, and says so.
_KEEP_ALIVE = 60.0
_DNS_CACHE = 60

_MAX_ERROR_BYTES = 64 * 2**10
_READ_BUFFER = 256 * 2**10

_USER_AGENT = "moorage"

_SETTLED = {Outcome.FINAL, Outcome.REFUSED}

# Set by aiohttp itself, they would not be part of a signature.
_NOT_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Authorizer(Protocol):
    """Authorizes requests: with the account key, or as an identity."""

    async def authorize(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> str:
        """Return the ``Authorization`` header; the parameters are those of `SharedKey`.

        :raises StoreUnavailable: the identity cannot sign in.
        """

    def reject(self, authorization: str) -> bool:
        """Note that storage does not accept a header. Returns whether another can be had."""

    async def close(self) -> None:
        """Close what was opened to sign in."""


async def no_value(response: ClientResponse) -> bool:
    """Read the body of an answer that has none, so that the connection can be used again."""
    await response.read()
    return True


@dataclass(frozen=True, kw_only=True)
class Request(Generic[T]):
    """One operation on storage, before it is authorized.

    ``subject`` is the blob's path, or what else messages are to name. ``resource`` is the path of
    the URL below that of the service, unencoded. ``consume`` reads the body of a successful answer;
    where it breaks off, the request is repeated. ``seconds`` limit the operation, retries included,
    and ``silence`` the time without a byte, if not as in `Limits`.
    """

    operation: str
    subject: str
    method: str
    resource: str
    consume: Callable[[ClientResponse], Awaitable[T]]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Buffer = b""
    seconds: float | None = None
    silence: float | None = None


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A successful answer: its headers, and what was made of its body."""

    headers: Mapping[str, str]
    value: T


@dataclass
class Attempts:
    """The requests that an operation has sent."""

    sent: int = 0
    answer_lost: bool = False
    """Whether one of them may have been executed although its answer did not arrive."""


class _RetryError(Exception):
    """An attempt failed, and another may succeed. ``error`` is what to raise without another."""

    def __init__(
        self,
        error: StoreError,
        outcome: Outcome = Outcome.FAILED,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.outcome = outcome
        self.headers = headers


@dataclass(frozen=True)
class _Reply(Generic[T]):
    """Any answer, with the value of a successful one or the body of another."""

    status: int
    headers: Mapping[str, str]
    value: T | None
    body: bytes = b""


class BlobClient:
    """Sends requests to the Blob service of one account. Connects on first use."""

    def __init__(
        self,
        service_url: str,
        target: StorageTarget,
        authorizer: Authorizer,
        *,
        limits: Limits,
        api_version: str = DEFAULT_API_VERSION,
        on_call: OnCall | None = None,
        connector: Callable[[], BaseConnector] | None = None,
    ) -> None:
        """Take the URL of the service and what is needed to use it.

        :param target: what messages name.
        :param api_version: the version of the protocol, ``x-ms-version``.
        :param connector: makes what connects to storage.
        """
        parts = urlsplit(service_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._base_path = parts.path.rstrip("/")
        self.target = target
        self.limits = limits
        self.api_version = api_version
        self._authorizer = authorizer
        self._on_call = on_call
        self._connector = connector or make_connector
        self._session: ClientSession | None = None
        self._timeout = _timeout(limits.connect, limits.silence)
        self._proxy: str | None = None

    def url(self, resource: str) -> str:
        """Return the URL of a resource, without a query."""
        return self._origin + self._path(resource)

    async def send(self, request: Request[T], attempts: Attempts | None = None) -> Answer[T]:
        """Send a request, again where that may help, and return the successful answer.

        :param attempts: notes what was sent, for callers that look for lost answers.
        :raises StoreError: as `to_error` translates storage's answer.
        :raises StoreUnavailable: no answer in time.
        """
        seconds = request.seconds or self.limits.total
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._retrying(request, attempts or Attempts(), deadline)
        except TimeoutError:
            text = f"{request.operation} {request.subject}: no answer in {seconds:g} s"
            raise StoreUnavailable(text) from None

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self._authorizer.close()

    async def _retrying(
        self, request: Request[T], attempts: Attempts, deadline: float
    ) -> Answer[T]:
        loop = asyncio.get_running_loop()
        failed = 0
        while True:
            try:
                return await self._attempt(request, attempts)
            except _RetryError as failure:
                delay = delay_before(failed, self.limits, failure.headers)
                failed += 1
                if failed > self._retries(failure.outcome) or loop.time() + delay >= deadline:
                    raise failure.error from None
            await asyncio.sleep(delay)

    def _retries(self, outcome: Outcome) -> int:
        is_failed = outcome is Outcome.FAILED
        return self.limits.retries if is_failed else self.limits.throttled_retries

    async def _attempt(self, request: Request[T], attempts: Attempts) -> Answer[T]:
        """Send a request once; once more if storage does not accept the token, but another.

        :raises _RetryError: another attempt may succeed.
        """
        headers = await self._authorized(request)
        reply = await self._exchange(request, headers, attempts)
        if reply.status == 401 and self._authorizer.reject(headers["Authorization"]):
            reply = await self._exchange(request, await self._authorized(request), attempts)
        if reply.value is not None:
            return Answer(reply.headers, reply.value)
        error = to_error(
            request.operation,
            request.subject,
            reply.status,
            reply.headers,
            reply.body,
            self.target,
        )
        outcome = outcome_of(reply.status, reply.headers)
        if outcome is Outcome.FINAL:
            raise error
        raise _RetryError(error, outcome, reply.headers)

    async def _exchange(
        self, request: Request[T], headers: Mapping[str, str], attempts: Attempts
    ) -> _Reply[T]:
        """Send a request, and note if it may have been executed without an answer.

        :raises _RetryError: there is no answer.
        """
        if self._on_call is not None:
            self._on_call(request.method, request.operation)
        settled = attempts.sent
        try:
            reply = await self._reply(request, headers, attempts)
            if outcome_of(reply.status, reply.headers) in _SETTLED:
                settled += 1
            return reply
        except (ClientError, TimeoutError, OSError) as error:
            text = f"{request.operation} {request.subject}: {error or type(error).__name__}"
            raise _RetryError(StoreUnavailable(text)) from None
        finally:
            attempts.answer_lost |= attempts.sent > settled

    async def _reply(
        self, request: Request[T], headers: Mapping[str, str], attempts: Attempts
    ) -> _Reply[T]:
        async with self._open_session().request(
            request.method,
            URL(self.url(request.resource) + _query_text(request.query), encoded=True),
            headers=headers,
            data=_payload(request.body),
            allow_redirects=False,
            proxy=self._proxy,
            timeout=self._timeout_of(request),
            trace_request_ctx=attempts,
        ) as response:
            if response.status < 300 and is_from_storage(response.headers):
                value = await request.consume(response)
                return _Reply(response.status, response.headers, value)
            body = await response.content.read(_MAX_ERROR_BYTES)
            return _Reply(response.status, response.headers, None, body)

    async def _authorized(self, request: Request[T]) -> Mapping[str, str]:
        """Return all headers of a request."""
        headers = {
            **request.headers,
            "x-ms-date": _http_date(int(time.time())),
            "x-ms-version": self.api_version,
        }
        if size := memoryview(request.body).nbytes:
            headers["Content-Length"] = str(size)
        path = self._path(request.resource)
        authorization = await self._authorizer.authorize(
            request.method, path, request.query, headers
        )
        return headers | {"Authorization": authorization, "User-Agent": _USER_AGENT}

    def _path(self, resource: str) -> str:
        return f"{self._base_path}/{quote(resource, safe='/~')}"

    def _timeout_of(self, request: Request[T]) -> ClientTimeout:
        if request.silence is None:
            return self._timeout
        return _timeout(self.limits.connect, request.silence)

    def _open_session(self) -> ClientSession:
        if self._session is None:
            trace = TraceConfig(trace_config_ctx_factory=_attempts_of)
            trace.on_request_headers_sent.append(_count)
            self._proxy = _proxy_of(self._origin)
            self._session = ClientSession(
                connector=self._connector(),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_NOT_AUTOMATIC,
                trace_configs=[trace],
                read_bufsize=_READ_BUFFER,
            )
        return self._session


class _Body:
    """A large body, sent in slices without a copy, from the beginning for each attempt.

    In one piece it would block the event loop.
    """

    def __init__(self, content: Buffer) -> None:
        self._content = memoryview(content).cast("B")

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        for start in range(0, len(self._content), MIB):
            yield self._content[start : start + MIB]


def _payload(body: Buffer) -> bytes | _Body | None:
    size = memoryview(body).nbytes
    if size > MIB:
        return _Body(body)
    return bytes(body) if size else None


def _query_text(query: Mapping[str, str]) -> str:
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return text and f"?{text}"


@lru_cache(maxsize=2)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _timeout(connect: float, silence: float) -> ClientTimeout:
    return ClientTimeout(total=None, sock_connect=connect, sock_read=silence)


def make_connector() -> BaseConnector:
    """Return what connects to storage. Needs a running event loop."""
    return TCPConnector(keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=_DNS_CACHE)


def _proxy_of(origin: str) -> str | None:
    """Return the proxy that the environment has for a server: looked up once, it is slow."""
    parts = urlsplit(origin)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def _attempts_of(trace_request_ctx: Attempts) -> SimpleNamespace:
    return SimpleNamespace(attempts=trace_request_ctx)


async def _count(
    _session: ClientSession, context: SimpleNamespace, _request: TraceRequestHeadersSentParams
) -> None:
    context.attempts.sent += 1
    count_storage_call()
