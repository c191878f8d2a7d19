"""Time limits, retries and sizes of calls to storage."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 2**10
MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds, and how often to retry."""

    connect: float = 5.0
    silence: float = 30.0
    """Without a byte from storage."""
    retries: int = 3
    """After a broken connection, an internal error, or an answer that is not from storage."""
    throttled_retries: int = 6
    """After storage was busy, which lasts for seconds: with the delays below, for about 13 s."""
    first_delay: float = 0.2
    """Before the first retry; doubled for each further one, and varied by half. Storage may request
    a longer delay; if it goes beyond ``total``, the request is not retried."""
    sign_in: float = 30.0
    """To get a token, where an identity is used."""
    total: float = 100.0
    """For one operation, retries included."""
    small_write: int = 30
    """After which storage itself gives up a small write, in whole seconds: so no request can be
    delayed on its way for longer, and take effect when a later one has been acknowledged."""
    batch: float = 200.0
    """Instead of ``silence`` and ``total`` for a batch: storage is silent until all of it is done.
    An emulator takes a second for a few deletions in a large container."""
    copy: float = 200.0
    """Instead of ``silence`` and ``total`` for a copy: storage is silent until it is done."""
    copy_whole: int = 256 * MIB
    """The largest object, in bytes, that Copy Blob From URL copies in one call."""
    copy_piece: int = 64 * MIB
    """The size in bytes of the ranges of larger copies: a failed call loses little."""
    relayed_piece: int = 8 * MIB
    """Likewise of copies whose bytes pass through the registry."""
