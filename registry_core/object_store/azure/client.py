"""Requests to Blob Storage: authorized, limited in time and retried, in one place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote, urlsplit

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
)
from yarl import URL

from ...observe import storage_slot
from ..errors import StoreError, StoreUnavailable
from ..interface import Buffer
from . import session
from .error_codes import to_error
from .errors import AnswerMalformed, StorageTarget, is_from_storage
from .limits import KIB, Limits
from .retries import Outcome, delay_before, outcome_of
from .session import Attempts, MakeConnector, open_session, payload, timeouts

T = TypeVar("T")

DEFAULT_API_VERSION = "2026-02-06"
"""The oldest version of the protocol with everything that is used: `startFrom` of listings."""

Consume = Callable[[ClientResponse], Awaitable[T]]
"""Reads a successful answer. If it breaks off, or is malformed, the request is repeated.

:raises AnswerMalformed: the answer is not what was requested.
:raises RetryError: it arrived, and says that a part of what was requested has to be repeated.
"""

OnCall = Callable[[str, str], None]
"""Called for every attempt with its HTTP method and the operation."""

XML = {"Content-Type": "application/xml"}
"""The header of a request whose body is XML."""

ACCEPT_XML = {"Accept": "application/xml"}
"""The header of a request whose answer is XML. Newer versions have other formats as well."""

_MAX_ERROR_BYTES = 64 * KIB
_MAX_ERROR_TEXT = 300
_USER_AGENT = "moorage"

_SETTLED = {Outcome.FINAL, Outcome.REFUSED}


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
    the URL below that of the service, unencoded. ``make_body`` makes the body of each attempt
    instead of ``body``. ``seconds`` limit the operation, retries included, and ``silence`` the time
    without a byte, if not as in `Limits`.
    """

    operation: str
    subject: str
    method: str
    resource: str
    consume: Consume[T]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Buffer = b""
    make_body: Callable[[], Awaitable[Buffer]] | None = None
    seconds: float | None = None
    silence: float | None = None


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A successful answer: its headers, and what was made of its body."""

    headers: Mapping[str, str]
    value: T


class RetryError(Exception):
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
        connector: MakeConnector | None = None,
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
        self._connector = connector or session.make_connector
        self._session: ClientSession | None = None
        self._timeouts = timeouts(connect=limits.connect, silence=limits.silence)

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
        failures: list[RetryError] = []
        try:
            async with storage_slot(), asyncio.timeout(seconds):
                deadline = asyncio.get_running_loop().time() + seconds
                return await self._retrying(request, attempts or Attempts(), deadline, failures)
        except TimeoutError:
            text = f"{request.operation} {request.subject}: no answer in {seconds:g} s"
            if failures:
                text = f"{text}; before: {failures[-1]}"
            raise StoreUnavailable(text) from None

    async def authorized_part(
        self, method: str, resource: str, headers: Mapping[str, str]
    ) -> tuple[str, Mapping[str, str]]:
        """Return the path and all headers of a request without a body that is a part of another.

        The version of the protocol is that of the whole.
        """
        path = self._path(resource)
        headers = {**headers, "x-ms-date": _http_date(int(time.time()))}
        authorization = await self._authorizer.authorize(method, path, {}, headers)
        return path, {**headers, "Authorization": authorization}

    def reject(self, authorization: str) -> bool:
        """Note that storage does not accept a header. Returns whether another can be had."""
        return self._authorizer.reject(authorization)

    async def close(self) -> None:
        """Close all connections."""
        opened, self._session = self._session, None
        if opened is not None:
            await opened.close()
        await self._authorizer.close()

    async def _retrying(
        self,
        request: Request[T],
        attempts: Attempts,
        deadline: float,
        failures: list[RetryError],
    ) -> Answer[T]:
        """Send a request until an attempt succeeds; ``failures`` notes those that did not."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await self._attempt(request, attempts)
            except RetryError as failure:
                delay = delay_before(len(failures), self.limits, failure.headers)
                failures.append(failure)
                if not self._may_retry(failures) or loop.time() + delay >= deadline:
                    raise failure.error from None
            await asyncio.sleep(delay)

    def _may_retry(self, failures: Sequence[RetryError]) -> bool:
        """Return whether the latest failure is not one too many of its kind."""
        is_failed = failures[-1].outcome is Outcome.FAILED
        alike = sum((failure.outcome is Outcome.FAILED) is is_failed for failure in failures)
        return alike <= (self.limits.retries if is_failed else self.limits.throttled_retries)

    async def _attempt(self, request: Request[T], attempts: Attempts) -> Answer[T]:
        """Send a request once; once more if storage does not accept the token, but another.

        :raises RetryError: another attempt may succeed.
        """
        headers, body = await self._completed(request)
        reply = await self._exchange(request, headers, body, attempts)
        if reply.status == 401 and self._authorizer.reject(headers["Authorization"]):
            reply = await self._exchange(request, *await self._completed(request), attempts)
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
        raise RetryError(error, outcome, reply.headers)

    async def _exchange(
        self, request: Request[T], headers: Mapping[str, str], body: Buffer, attempts: Attempts
    ) -> _Reply[T]:
        """Send a request, and note if it may have been executed without an answer.

        :raises RetryError: an answer did not arrive, or not the one that was requested.
        """
        if self._on_call is not None:
            self._on_call(request.method, request.operation)
        settled = attempts.sent
        try:
            reply = await self._reply(request, headers, body, attempts)
            if outcome_of(reply.status, reply.headers) in _SETTLED:
                settled += 1
            return reply
        except RetryError:
            settled += 1
            raise
        except AnswerMalformed as error:
            text = f"{request.operation} {request.subject}: {error}"
            raise RetryError(type(error)(text)) from None
        except (ClientError, TimeoutError, OSError) as error:
            text = f"{request.operation} {request.subject}: {_describe(error)}"
            raise RetryError(StoreUnavailable(text)) from None
        finally:
            attempts.answer_lost |= attempts.sent > settled

    async def _reply(
        self, request: Request[T], headers: Mapping[str, str], body: Buffer, attempts: Attempts
    ) -> _Reply[T]:
        async with self._open_session().request(
            request.method,
            URL(self.url(request.resource) + query_text(request.query), encoded=True),
            headers=headers,
            data=payload(body),
            allow_redirects=False,
            timeout=self._timeouts_of(request),
            trace_request_ctx=attempts,
        ) as response:
            if response.status < 300 and is_from_storage(response.headers):
                value = await request.consume(response)
                return _Reply(response.status, response.headers, value)
            error = await response.content.read(_MAX_ERROR_BYTES)
            return _Reply(response.status, response.headers, None, error)

    async def _completed(self, request: Request[T]) -> tuple[Mapping[str, str], Buffer]:
        """Return all headers of a request, and its body."""
        body = await request.make_body() if request.make_body else request.body
        headers = {
            **request.headers,
            "x-ms-date": _http_date(int(time.time())),
            "x-ms-version": self.api_version,
        }
        if size := memoryview(body).nbytes:
            headers["Content-Length"] = str(size)
        path = self._path(request.resource)
        authorization = await self._authorizer.authorize(
            request.method, path, request.query, headers
        )
        return headers | {"Authorization": authorization, "User-Agent": _USER_AGENT}, body

    def _path(self, resource: str) -> str:
        return self._base_path + quote_path(resource)

    def _timeouts_of(self, request: Request[T]) -> ClientTimeout:
        if request.silence is None:
            return self._timeouts
        return timeouts(connect=self.limits.connect, silence=request.silence)

    def _open_session(self) -> ClientSession:
        if self._session is None:
            self._session = open_session(self._origin, self._connector())
        return self._session


def quote_path(resource: str) -> str:
    """Return the path of a resource as it is sent and signed."""
    return f"/{quote(resource, safe='/~')}"


def query_text(query: Mapping[str, str]) -> str:
    """Return parameters as the query of a URL, with its "?"; "" for none."""
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return text and f"?{text}"


def _describe(error: Exception) -> str:
    """Return what went wrong on one line. A parser's errors quote what arrived, whatever it is."""
    text = " ".join(_text_of(error).split())
    return "".join(char if char.isprintable() else "?" for char in text[:_MAX_ERROR_TEXT])


def _text_of(error: Exception) -> str:
    if isinstance(error, ClientResponseError):
        # Its own text has the URL, which is that of a proxy, and may have a password.
        return f"{error.status} {error.message}"
    return str(error) or type(error).__name__


@lru_cache(maxsize=2)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
