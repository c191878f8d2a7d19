"""Tokens of a registry's token service: requested, shared by concurrent requests, kept.

Sources: distribution.github.io/distribution/spec/auth/token/ and .../oauth/.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from ..caches import boot_time
from ..spec.errors import RegistryError, Unauthorized
from .access import Access
from .answers import Answer
from .credentials import Basic, IdentityToken, Login, RegistryToken
from .errors import PeerUnavailable, one_line
from .origins import Origin

Send = Callable[[str, URL, Mapping[str, str], bytes | None], Awaitable[Answer]]
"""Sends a request with method, URL, headers and body, and returns the answer."""

# "For compatibility with older clients, a token should never be returned with less than 60 seconds
# to live", which is also the default.
_SHORTEST = 60
_LONGEST = 24 * 3600
# A token is not used in the last part of its time, nor in more than half a minute of it.
_UNUSED_PART = 0.25
_UNUSED_SECONDS = 30.0

_MAX_ANSWER = 256 * 2**10
_MAX_TOKEN = 64 * 2**10
_MOST_TOKENS = 200
_CLIENT_ID = "moorage"
_NOT_BY_POST = (404, 405)


@dataclass(frozen=True)
class Token:
    """A token, and what it was requested for; ``expires`` in seconds since the machine started."""

    text: str = field(repr=False)
    access: Access
    expires: float
    login: Login | None = field(repr=False)


@dataclass(frozen=True)
class TokenEndpoint:
    """The token service that a challenge names, after its URL was checked."""

    realm: URL
    service: str | None

    @property
    def origin(self) -> Origin:
        return Origin.of(self.realm)


class Tokens:
    """The tokens for one registry. A token that allows more than is needed serves as well."""

    def __init__(self, send: Send, now: Callable[[], float] = boot_time) -> None:
        self._send = send
        self._now = now
        self._held: list[Token] = []
        self._fetching: dict[object, asyncio.Task[Token]] = {}
        # What a token service gave for a login, to be used instead of it from then on.
        self._refresh_tokens: dict[tuple[Login, TokenEndpoint], IdentityToken] = {}

    def find(self, access: Access, login: Login | None) -> Token | None:
        """Return a token that is at hand and will not expire soon."""
        now = self._now()
        self._held = [token for token in self._held if token.expires > now]
        for token in self._held:
            if token.login == login and token.access.covers(access):
                return token
        return None

    async def fetch(self, service: TokenEndpoint, access: Access, login: Login | None) -> Token:
        """Request a token, together with all who need the same one.

        :raises Unauthorized: the token service does not accept the login.
        :raises Unavailable: it does not answer as it should.
        """
        key = (service, access.key, login)
        task = self._fetching.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(service, access, login))
            self._fetching[key] = task
            task.add_done_callback(lambda task: self._settle(key, task))
        # A request that is cancelled does not cancel what others wait for.
        return await asyncio.shield(task)

    def drop(self, token: Token) -> None:
        """Forget a token that the registry does not accept."""
        self._held = [each for each in self._held if each is not token]

    async def close(self) -> None:
        """Cancel requests under way."""
        for task in list(self._fetching.values()):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):  # those who waited for it have it
                await task

    async def _fetch(self, service: TokenEndpoint, access: Access, login: Login | None) -> Token:
        began = self._now()
        fields = await self._document(service, access, login)
        text = fields.get("token") or fields.get("access_token")
        if not isinstance(text, str) or not _is_token(text):
            raise PeerUnavailable(f"the token service {service.origin} sent no token")
        refresh = fields.get("refresh_token")
        if login is not None and isinstance(refresh, str) and _is_token(refresh):
            self._refresh_tokens[login, service] = IdentityToken(refresh, _name_of(login))
        seconds = _seconds_of(fields.get("expires_in"))
        expires = began + seconds - min(seconds * _UNUSED_PART, _UNUSED_SECONDS)
        token = Token(text, access, expires, login)
        self._held = [token, *self._held[: _MOST_TOKENS - 1]]
        return token

    def _settle(self, key: object, task: asyncio.Task[Token]) -> None:
        if self._fetching.get(key) is task:
            del self._fetching[key]
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio would warn if all callers were cancelled

    async def _document(
        self, service: TokenEndpoint, access: Access, login: Login | None
    ) -> Mapping[str, Any]:
        kept = self._refresh_tokens.get((login, service)) if login is not None else None
        if kept is not None:
            answer = await self._by_post(service, access, kept)
            if answer.status == 200:
                return await _read(answer, service)
            await answer.discard()  # it may have expired: begin again with the login
            del self._refresh_tokens[login, service]  # type: ignore[arg-type] # kept: not None
        if isinstance(login, IdentityToken):
            answer = await self._by_post(service, access, login)
            if answer.status not in _NOT_BY_POST:
                return await _read(answer, service)
            await answer.discard()
        return await _read(await self._by_get(service, access, login), service)

    async def _by_get(self, service: TokenEndpoint, access: Access, login: Login | None) -> Answer:
        """As in "Requesting a Token": the login as Basic, each scope a parameter of its own."""
        parameters = [("service", service.service)] if service.service is not None else []
        parameters += [("scope", scope) for scope in access.parameters]
        if name := _name_of(login):
            parameters.append(("account", name))
        query = "&".join(filter(None, (service.realm.raw_query_string, _encoded(parameters))))
        url = URL(f"{service.realm.with_query(None)}?{query}", encoded=True)
        headers = {"Accept": "application/json"}
        if login is not None:
            headers["Authorization"] = basic_authorization(login)
        return await self._send("GET", url, headers, None)

    async def _by_post(
        self, service: TokenEndpoint, access: Access, login: IdentityToken
    ) -> Answer:
        """As in "OAuth2 Token Authentication": with a refresh token."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": login.token,
            "client_id": _CLIENT_ID,
            "service": service.service or "",
            "scope": " ".join(access.parameters),
        }
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return await self._send("POST", service.realm, headers, _encoded(form).encode())


def basic_authorization(login: Login) -> str:
    """Return the header that authenticates with a login: RFC 7617."""
    match login:
        case Basic(name, password):
            pair = f"{name}:{password}"
        case IdentityToken(token, name):
            pair = f"{name or '<token>'}:{token}"
        case RegistryToken(token):
            return f"Bearer {token}"
    return f"Basic {b64encode(pair.encode()).decode()}"


async def _read(answer: Answer, service: TokenEndpoint) -> Mapping[str, Any]:
    try:
        content = await answer.read(_MAX_ANSWER)
    finally:
        answer.release()
    if answer.status in (400, 401, 403):
        raise Unauthorized(
            f"the token service {service.origin} did not accept the login for the registry"
            f"{_reason(answer.status, content)}"
        )
    if answer.status != 200:
        raise PeerUnavailable(
            f"the token service {service.origin} answered with status {answer.status}"
            f"{_reason(answer.status, content)}"
        )
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise PeerUnavailable(f"the token service {service.origin} sent no JSON object")
    return fields


def _reason(status: int, content: bytes) -> str:
    """Return what an error answer says in the form of the specification, if it does."""
    received = RegistryError.parse(status, content).received
    return f": {one_line(received[0].message)}" if received and received[0].message else ""


def _encoded(parameters: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
    """Return a query or form; what a challenge has that is not UTF-8, byte by byte."""
    return urlencode(parameters, errors="surrogateescape")


def _seconds_of(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= _SHORTEST:
        return _SHORTEST
    return min(float(value), _LONGEST)


def _is_token(text: str) -> bool:
    """Return whether a text can stand in a header."""
    return 0 < len(text) <= _MAX_TOKEN and text.isascii() and text.isprintable()


def _name_of(login: Login | None) -> str:
    return login.name if isinstance(login, Basic | IdentityToken) else ""
