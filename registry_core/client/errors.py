"""Faults of another registry, of its token service, or on the way to them.

Their public texts name the host, unlike those of other floors: whoever runs a client must know
which of its peers to look at. No text has a password, a token, or a query, which may be signed.
"""

from __future__ import annotations

from ..spec.errors import Unavailable

_LONGEST_TEXT = 300


class PeerUnavailable(Unavailable):
    """A peer cannot be reached, or does not answer as it should.

    ``public`` says which one, what is wrong and what to do.
    """

    def __init__(self, public: str, private: str = "") -> None:
        super().__init__(f"{public} ({private})" if private else public, public=public)


class UrlRefused(PeerUnavailable):
    """A peer has given a URL that is not followed; the text says which host and why."""


class AttemptFailed(Exception):
    """An attempt to send a request failed, and another may succeed.

    ``error`` is what to raise without another. ``sent``: the request may have been executed.
    ``is_slow``: nothing came for as long as the client waits.
    """

    def __init__(self, error: PeerUnavailable, *, sent: bool, is_slow: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.sent = sent
        self.is_slow = is_slow


def one_line(text: str) -> str:
    """Return what a peer or a parser said as printable text on one line."""
    joined = " ".join(text.split())[:_LONGEST_TEXT]
    return "".join(character if character.isprintable() else "?" for character in joined)
