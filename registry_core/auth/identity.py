"""Somebody who has proved who they are, and the ways to prove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Identity:
    """``name`` is unique among all of one ``source``, such as ``htpasswd`` or ``entra``.

    ``groups`` and ``roles`` are what the source says of them, in the source's own words.
    """

    name: str
    source: str = ""
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


ANONYMOUS = Identity("")


class IdentitySource(Protocol):
    """One way to prove who one is by a name and a secret."""

    async def identify(self, name: str, secret: str) -> Identity | None:
        """Who shows the secret; None when it proves nothing here. Never blocks the event loop.

        :raises Unavailable: it cannot be told now.
        """
