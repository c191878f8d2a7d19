"""How containerd authorizes its requests, for `containerd_pusher`.

Source: containerd v2.3.4, core/remotes/docker/authorizer.go and auth/fetch.go, read and written
anew.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.access_modes import parameters

# A token service without this endpoint is sent a GET.
_NO_OAUTH = (400, 401, 404)


class InvalidAuthorization(AssertionError):
    """The registry refused credentials. containerd does not send them again."""


@dataclass(frozen=True)
class Answered:
    """What the authorizer needs to know of an answer."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


Send = Callable[[str, str, Mapping[str, str], bytes], Answered]
"""Sends one request: method, URL, headers and body."""


@dataclass(frozen=True)
class _Handler:
    """The answer to a challenge. Bearer: ``realm``, ``service`` and ``scopes`` are its own."""

    scheme: str
    realm: str = ""
    service: str = ""
    scopes: tuple[str, ...] = ()


@dataclass
class Authorizer:
    """Answers challenges, by host. ``credentials``: a user and a password; None: anonymous."""

    send: Send
    credentials: tuple[str, str] | None = None
    _handlers: dict[str, _Handler] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def header(self, host: str, scopes: Sequence[str]) -> str:
        """Return ``Authorization`` for a host: empty before its first challenge."""
        with self._lock:
            handler = self._handlers.get(host)
            if handler is None:
                return ""
            if handler.scheme == "basic":
                return self._basic()
            return f"Bearer {self._token(handler, scopes)}"

    def add_answers(self, answers: Sequence[Answered]) -> bool:
        """Consider the last answer, a 401. Returns whether the request is worth sending again.

        :raises InvalidAuthorization: the registry has refused the credentials.
        """
        last = answers[-1]
        host = urlsplit(last.url).netloc
        challenge = last.headers.get("www-authenticate", "")
        scheme = challenge.partition(" ")[0].lower()
        with self._lock:
            if scheme == "bearer":
                self._consider_bearer(host, parameters(challenge), answers)
                return True
            if scheme == "basic":
                if self.credentials is None:
                    raise InvalidAuthorization("no basic auth credentials")
                self._handlers[host] = _Handler("basic")
                return True
        return False

    def _consider_bearer(
        self, host: str, challenge: Mapping[str, str], answers: Sequence[Answered]
    ) -> None:
        if challenge.get("error"):
            self._handlers.pop(host, None)
            earlier = [(answer.method, answer.url) for answer in answers[-2:]]
            if len(earlier) > 1 and earlier[0] == earlier[1]:
                raise InvalidAuthorization(f"server message: {challenge['error']}")
        if host not in self._handlers:
            scope = challenge.get("scope", "")
            self._tokens.clear()
            self._handlers[host] = _Handler(
                "bearer", challenge["realm"], challenge.get("service", ""), tuple(scope.split())
            )

    def _basic(self) -> str:
        user, password = self.credentials or ("", "")
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def _token(self, handler: _Handler, scopes: Sequence[str]) -> str:
        """Return a token for what the request needs and the first challenge named."""
        wanted = sorted({*scopes, *handler.scopes})
        key = " ".join(wanted)
        token, expiry = self._tokens.get(key, ("", 0.0))
        if expiry <= time.monotonic():
            token, seconds = self._fetch(handler, wanted)
            self._tokens[key] = token, time.monotonic() + seconds
        return token

    def _fetch(self, handler: _Handler, scopes: Sequence[str]) -> tuple[str, float]:
        if self.credentials is not None:
            user, password = self.credentials
            form = {"scope": " ".join(scopes)} if scopes else {}
            form |= {"service": handler.service, "client_id": "containerd-client"}
            form |= {"grant_type": "password", "username": user, "password": password}
            headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
            body = urlencode(sorted(form.items())).encode()
            answer = self.send("POST", handler.realm, headers, body)
            if 200 <= answer.status < 400:
                return _read(answer)
            if answer.status not in (*_NO_OAUTH, 405):
                raise InvalidAuthorization(f"failed to fetch oauth token: {answer.status}")
        return self._get(handler, scopes)

    def _get(self, handler: _Handler, scopes: Sequence[str]) -> tuple[str, float]:
        url = urlsplit(handler.realm)
        query = parse_qsl(url.query, keep_blank_values=True)
        query += [("service", handler.service)] if handler.service else []
        query += [("scope", scope) for scope in scopes]
        target = url._replace(query=urlencode(sorted(query, key=lambda pair: pair[0]))).geturl()
        headers = {"Authorization": self._basic()} if self.credentials else {}
        answer = self.send("GET", target, headers, b"")
        if not 200 <= answer.status < 400:
            raise InvalidAuthorization(f"failed to fetch a token: {answer.status}")
        return _read(answer)


def _read(answer: Answered) -> tuple[str, float]:
    """Return the token in an answer, and for how long it is valid, in seconds."""
    fields = json.loads(answer.body)
    token = fields.get("access_token") or fields.get("token")
    if not token:
        raise InvalidAuthorization("authorization server did not include a token in the response")
    return token, float(fields.get("expires_in") or "inf")
