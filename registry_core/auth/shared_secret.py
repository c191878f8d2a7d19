"""The secret that all instances of a registry share: what is good enough to be one.

It seals the state of uploads. Every pusher holds such a state, and can try secrets on it offline.
"""

from __future__ import annotations

from itertools import pairwise

LEAST_CHARACTERS = 32

ADVICE = "for example from: openssl rand -hex 32"

EXAMPLES = frozenset(
    {
        "only for this machine, never in Azure",
        "any text of 32 characters or more",
    }
)
"""The secrets of the documentation's examples, which everybody knows."""

# Different characters, and different distances from one character to the next. Of 32 random
# digits, the least varied secret that is random, one in ten million has fewer.
_LEAST_VARIETY = 6
# A random secret does not end with as many characters as it begins with.
_BY_CHANCE = 8


def weakness(secret: str) -> str:
    """Return why a secret is easy to guess, as the rest of a sentence; empty if it is not."""
    if len(secret) < LEAST_CHARACTERS:
        return f"needs at least {LEAST_CHARACTERS} characters"
    if _repeats(secret):
        return "repeats itself, so it is easy to guess"
    steps = {ord(second) - ord(first) for first, second in pairwise(secret)}
    if min(len(set(secret)), len(steps)) < _LEAST_VARIETY:
        return "varies too little, so it is easy to guess"
    return ""


def _repeats(secret: str) -> bool:
    """Whether the secret is a text that is too short, again and again; the last time in part."""
    longest = min(LEAST_CHARACTERS - 1, len(secret) - _BY_CHANCE)
    return any(secret[length:] == secret[:-length] for length in range(1, longest + 1))
