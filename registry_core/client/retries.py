"""Which requests are repeated, how often and after which delay.

Sources: RFC 9110, section 9.2.2 (idempotent methods); RFC 6585, section 4 (429).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..spec.retry_after import parse_retry_after
from .answers import Answer
from .errors import AttemptFailed
from .options import Retries

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

# A fault of the server or on the way to it, which the next attempt may not meet.
_FAULTS = {408, 500, 502, 503, 504}
# Statuses that say when to come back. The request was not executed.
_BUSY = {429, 503}

Attempt = Callable[[], Awaitable[Answer]]


@dataclass
class Schedule:
    """The delays between the attempts of one request."""

    limits: Retries
    has_been_slow: bool = field(default=False, init=False)
    """Whether an attempt has waited in vain. Waiting a third time would be too much."""
    _attempts: int = field(default=1, init=False)
    _waited: float = field(default=0.0, init=False)

    def next_delay(self, retry_after: float | None = None) -> float | None:
        """Return the seconds until the next attempt; None if there should not be another.

        :param retry_after: the seconds that the server asks for.
        """
        limits = self.limits
        varied = random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
        usual = limits.first_delay * float(2 ** (self._attempts - 1)) * varied
        delay = min(usual, limits.longest_delay)
        if retry_after is not None:
            if retry_after > limits.longest_delay:
                return None
            delay = max(retry_after, limits.first_delay * varied)
        if self._attempts >= limits.attempts or self._waited + delay > limits.total:
            return None
        self._attempts += 1
        self._waited += delay
        return delay


async def with_retries(
    attempt: Attempt, limits: Retries, *, may_repeat: bool, can_send: Callable[[], bool]
) -> Answer:
    """Make attempts until one has an answer that is not a passing fault, and return that.

    :param may_repeat: whether a request that may have been executed is sent again.
    :param can_send: returns whether the request's body can be sent again.
    :raises Unavailable: the last attempt got no answer.
    """
    schedule = Schedule(limits)
    while True:
        try:
            answer = await attempt()
        except AttemptFailed as failure:
            may = can_send() and (may_repeat or not failure.sent)
            if failure.is_slow:
                may = may and not schedule.has_been_slow
                schedule.has_been_slow = True
            delay = schedule.next_delay() if may else None
            if delay is None:
                raise failure.error from None
        else:
            wait = parse_retry_after(answer.headers.get("Retry-After"))
            refused = answer.status in _BUSY and wait is not None
            may = can_send() and (refused or (may_repeat and _is_fault(answer.status)))
            delay = schedule.next_delay(wait) if may else None
            if delay is None:
                return answer
            await answer.discard()
        await asyncio.sleep(delay)


def _is_fault(status: int) -> bool:
    return status in _FAULTS or status == 429
