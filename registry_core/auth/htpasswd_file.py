"""Apache's password file: a user and a hash on each line. bcrypt's hashes only, as distribution.

Source: httpd.apache.org/docs/2.4/misc/password_encryptions.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

BCRYPT_LENGTH = 72
"""How many bytes of a password bcrypt looks at."""

LEAST_COST, MOST_COST = 4, 16

# The salt's last character carries 2 bits, the other 4 are zero.
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")


class HtpasswdInvalid(Exception):
    """``problems``: one line of text each, with file and line. None quotes a hash."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def parse_htpasswd(text: str, file: str) -> Mapping[str, bytes]:
    """Hashes by user name. ``file`` is what problems call the text.

    :raises HtpasswdInvalid: anything is wrong; says all of it.
    """
    users: dict[str, bytes] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    stripped = map(str.strip, text.removeprefix("\ufeff").splitlines())
    for number, line in enumerate(stripped, 1):
        if not line or line.startswith("#"):
            continue
        name, _, hashed = line.partition(":")
        if problem := _problem(name, hashed, lines.get(name)):
            problems.append(f"{file}:{number}: {problem}")
        lines.setdefault(name, number)
        users[name] = hashed.encode()
    if not lines:
        problems.append(
            f"{file}: names no user; a line comes from: python -m registry_core auth hash"
        )
    if problems:
        raise HtpasswdInvalid(problems)
    return users


def cost(hashed: bytes) -> int:
    """The logarithm of how much work a hash is."""
    return int(hashed[4:6])


def _problem(name: str, hashed: str, seen: int | None) -> str:
    if not name or not hashed:
        return "is not of the form user:hash"
    if seen is not None:
        return f"user {name!r} stands on line {seen} already"
    match = _BCRYPT.fullmatch(hashed)
    if match is None:
        return f"user {name!r} has no bcrypt hash ($2a$, $2b$, $2y$); make it anew: htpasswd -B"
    if not LEAST_COST <= int(match[1]) <= MOST_COST:
        return f"user {name!r} has a hash of cost {match[1]}; {LEAST_COST} to {MOST_COST} are taken"
    return ""


def htpasswd_line(user: str, password: str, rounds: int) -> str:
    """A line that lets the user in by the password.

    :raises ValueError: one of them cannot be used. The text says why, without the password.
    """
    import bcrypt

    if not user or user != user.strip() or user.startswith("#") or not user.isprintable():
        raise ValueError(f"{user!r} cannot be a user name")
    if ":" in user:
        raise ValueError(f"{user!r} cannot be a user name: a colon ends it")
    if not password:
        raise ValueError("the password is empty")
    length = len(password.encode())
    if length > BCRYPT_LENGTH:
        raise ValueError(
            f"the password has {length} bytes in UTF-8; bcrypt looks at {BCRYPT_LENGTH} at most"
        )
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds))
    return f"{user}:{hashed.decode()}"
