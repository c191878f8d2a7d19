"""Challenges: how a registry asks for credentials, parsed for a client.

Source: RFC 9110, section 11.6.1 (``WWW-Authenticate``) and section 5.6 (lists, tokens, strings).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# "token". A token68 differs from a parameter in what follows it: only the end of the challenge.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"({_WORD})(?: +|(?=[ \t]*(?:,|$)))")
_TOKEN68 = re.compile(r"([A-Za-z0-9._~+/-]+=*)[ \t]*(?=,|$)")
_PARAMETER = re.compile(
    rf"""({_WORD})[ \t]*=[ \t]*(?:({_WORD})|"((?:[^"\\]|\\.)*)")[ \t]*(?=,|$)"""
)
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Challenge:
    """One challenge. ``scheme`` and the names of ``parameters`` are in lower case.

    ``token``: the token68 of a scheme that has one instead of parameters, such as ``Negotiate``.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


def parse_challenges(header: str) -> list[Challenge]:
    """Return the challenges of a ``WWW-Authenticate`` header, in their order.

    Several header lines are joined by commas first.

    :raises ValueError: the header is malformed.
    """
    challenges: list[Challenge] = []
    position = _skip_separator(header, 0)
    while position < len(header):
        match = _SCHEME.match(header, position)
        if match is None:
            raise ValueError(f"malformed challenge at character {position} of {header[:160]!r}")
        challenge, position = _parse_rest(match[1].lower(), header, match.end())
        challenges.append(challenge)
    return challenges


def _parse_rest(scheme: str, header: str, position: int) -> tuple[Challenge, int]:
    """Return the challenge that begins before ``position``, and where the next one does."""
    # "realm=" could be a token68 as well; a parameter that is complete comes first.
    token = None if _PARAMETER.match(header, position) else _TOKEN68.match(header, position)
    if token is not None:
        return Challenge(scheme, token=token[1]), _skip_separator(header, token.end())
    parameters: dict[str, str] = {}
    position = _skip_separator(header, position)
    while match := _PARAMETER.match(header, position):
        name, bare, quoted = match.groups()
        if name.lower() in parameters:
            raise ValueError(f"the parameter {name[:40]!r} occurs twice in one challenge")
        parameters[name.lower()] = _ESCAPED.sub(r"\1", quoted) if bare is None else bare
        position = _skip_separator(header, match.end())
    return Challenge(scheme, parameters), position


def _skip_separator(header: str, position: int) -> int:
    match = _SEPARATOR.match(header, position)
    return match.end() if match else position
