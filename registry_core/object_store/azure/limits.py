"""How patient the registry is with storage."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """How long to wait and how often to try; times in seconds."""

    connect: float = 5.0
    silence: float = 30.0
    """Without a single byte from storage."""
    retries: int = 3
    first_delay: float = 0.2
    """Before the first retry; doubled for each further one, and varied by half. Storage may ask for
    more: then it gets that, or nothing if it is beyond ``total``."""
    sign_in: float = 30.0
    """Until there is a token, where an identity is what lets us in."""
    total: float = 100.0
    """For one operation with its retries."""
    copy: float = 200.0
    """In place of both for a copy on the server side, which is silent until it is done."""
    copy_whole: int = 256 * MIB
    """In bytes. Copy Blob From URL takes no more in one call."""
    copy_piece: int = 64 * MIB
    """In bytes. Larger objects are copied in ranges: a call that fails loses little."""
