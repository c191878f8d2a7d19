"""Origins: the scheme, host and port of web pages, as browsers name them in ``Origin``.

Sources: WHATWG Fetch, "Origin header"; RFC 6454 section 6.2, "ASCII Serialization of an Origin".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_ANY = "*"
_PORTS = {"http": 80, "https": 443}
# Serialized origins are ASCII without anything that would end a host.
_NOT_IN_HOSTS = set(" \t\"'<>\\^`{|}%*")


@dataclass(frozen=True)
class Origins:
    """The origins whose pages may read the registry's answers; ``any``: those of all pages."""

    listed: frozenset[str] = frozenset()
    any: bool = False

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Return the origins of a list: ``https://host``, with a port if it is unusual, or ``*``.

        :raises ValueError: one is not an origin, or ``*`` is not alone; the message says which.
        """
        origins = list(texts)
        if _ANY not in origins:
            return cls(frozenset(map(_parse, origins)))
        if len(origins) > 1:
            raise ValueError("* is every origin; remove the others, or list origins without *")
        return cls(any=True)

    def allow(self, origin: str | None) -> bool:
        """Return whether pages of an origin may; None: the request is not a browser's."""
        return self.any or origin in self.listed


NO_ORIGINS = Origins()


def _parse(text: str) -> str:
    """Return an origin as browsers write it."""
    right = _serialize(text)
    if right is None:
        raise ValueError(f"{text[:160]!r} is not an origin; write https://ui.example.com, or *")
    if right != text.lower():
        raise ValueError(f"{text[:160]!r} is not an origin; write {right}")
    return right


def _serialize(text: str) -> str | None:
    """Return the origin of a URL; None if it has none."""
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        return None
    if scheme not in _PORTS or not host or not host.isascii() or set(host) & _NOT_IN_HOSTS:
        return None
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" + (f":{port}" if port not in (None, _PORTS[scheme]) else "")
