"""Headers on their way through the relay: which are forwarded, and which name another place.

Sources: RFC 9110, section 7.6.1 (headers of a connection); OCI distribution-spec (``Location``);
RFC 8288 (``Link``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Headers = Sequence[tuple[str, str]]
"""Names and values in order; a name may occur more than once."""

_OF_A_CONNECTION = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
# The first three are written anew; how a client is seen by proxies is nothing for the registry.
_NOT_FORWARDED = frozenset({"content-length", "expect", "host", "forwarded", "x-real-ip"})
# The relay's server writes its own date; cookies are of the registry's host.
_NOT_RETURNED = frozenset({"date", "set-cookie"})
_FORWARDED_BY_PROXIES = "x-forwarded-"
_OF_A_BODY = frozenset({"content-range", "content-type", "content-encoding"})

_USUAL_PORTS = {"http": 80, "https": 443}
_LINKED = re.compile(r"<([^>]*)>")
_REALM = re.compile(r'(realm=")([^"]*)(")', re.IGNORECASE)


def of_request(received: Iterable[tuple[str, str]]) -> Headers:
    """Return what the registry gets of the headers of a client's request."""
    headers = [(name.lower(), value) for name, value in received]
    dropped = _NOT_FORWARDED | _of_connection(headers)
    return [
        (name, value)
        for name, value in headers
        if name not in dropped and not name.startswith(_FORWARDED_BY_PROXIES)
    ]


def of_upload(received: Iterable[tuple[str, str]], user_agent: str) -> Headers:
    """Return the headers of the relay's own requests for an upload: the client's credentials.

    The user agent is the relay's: to some clients a registry answers with a place in storage, to
    which they send the whole blob, and the relay would not see it.
    """
    kept = (
        (name, value)
        for name, value in of_request(received)
        if name not in _OF_A_BODY and name != "user-agent"
    )
    return [*kept, ("user-agent", user_agent)]


def of_answer(received: Iterable[tuple[str, str]]) -> Headers:
    """Return what the client gets of the headers of the registry's answer."""
    headers = [(name.lower(), value) for name, value in received]
    dropped = _of_connection(headers) | _NOT_RETURNED
    return [(name, value) for name, value in headers if name not in dropped]


def _of_connection(headers: Headers) -> frozenset[str]:
    """Return the names of headers that concern one connection, those that it names included."""
    named = (value for name, value in headers if name == "connection")
    words = {word.strip().lower() for value in named for word in value.split(",")}
    return _OF_A_CONNECTION | words


@dataclass(frozen=True)
class Rewriter:
    """Puts the relay's URL in place of the registry's.

    ``registry`` is the registry's URL, without a path. ``relays_logins``: clients cannot reach the
    registry's token service as the relay does, with its certificates or without TLS. So they
    request tokens through the relay, where the registry issues them itself.
    """

    registry: str
    relays_logins: bool = False

    def path_of(self, url: str) -> str | None:
        """Return the path and query of a URL of the registry; None for another server's.

        Registries behind a proxy may give their URLs with the wrong scheme.
        """
        try:
            parts, own = urlsplit(url), urlsplit(self.registry)
            if parts.netloc and (parts.hostname, _port(parts)) != (own.hostname, _port(own)):
                return None
        except ValueError:
            return None
        path = parts._replace(scheme="", netloc="", fragment="").geturl()
        is_path = path.startswith("/") and not path.startswith("//") and path.isprintable()
        return path if is_path else None

    def seen_at(self, base: str, headers: Headers) -> Headers:
        """Return the headers of an answer with the relay in place of the registry.

        :param base: the relay's URL as the client calls it.
        """
        return [(name, self._rewritten(base, name, value)) for name, value in headers]

    def _rewritten(self, base: str, name: str, value: str) -> str:
        match name:
            case "location":
                return self._moved(base, value)
            case "link":
                return _LINKED.sub(lambda match: f"<{self._moved(base, match[1])}>", value)
            case "www-authenticate" if self.relays_logins:
                return _REALM.sub(
                    lambda match: match[1] + self._moved(base, match[2]) + match[3], value
                )
        return value

    def _moved(self, base: str, url: str) -> str:
        """Return an absolute URL of the registry as the relay's; any other as it is."""
        path = self.path_of(url) if "://" in url else None
        return url if path is None else f"{base}{path}"


def _port(parts: SplitResult) -> int | None:
    """Return the port of a URL; None for the usual one of its scheme."""
    return None if parts.port == _USUAL_PORTS.get(parts.scheme) else parts.port
