"""Personal access keys: passwords that the registry makes, each for one purpose, until a day.

A key is ``regk_<name>_<secret>``: whoever finds one sees what it is, and so do programs that look
for leaked secrets. The secret is 256 random bits, so that only a hash of it need be kept, and a
fast one will do: what makes hashes of passwords slow is that passwords can be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..spec.scopes import Scope
from .htpasswd import HTPASSWD
from .identity import Identity
from .limits import parse_limits
from .logins import Login

PREFIX = "regk_"
SOURCE = "key"
"""The `Identity.source` of a key that is nobody's but its own."""

_SECRET_BYTES = 32
_LONGEST_NAME = 64
_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_KEY = re.compile(rf"{PREFIX}({_NAME.pattern})_[A-Za-z0-9_-]{{43}}")


class KeyUnreadable(ValueError):
    """What is kept of a key is none of ours, or damaged."""


@dataclass(frozen=True)
class PersonalKey:
    """What is kept of a key. ``user`` is whom it stands for, empty where it stands for itself.

    ``limits``: scopes, with globs for names, that it is good for; None where for all that they may
    do for whom it stands.
    """

    name: str
    user: str
    created: datetime
    expires: datetime
    hash: str = field(repr=False)
    limits: tuple[Scope, ...] | None = None

    @classmethod
    def make(
        cls,
        name: str,
        user: str,
        *,
        created: datetime,
        expires: datetime,
        limits: tuple[Scope, ...] | None = None,
    ) -> tuple[str, PersonalKey]:
        """A new key, and what to keep of it.

        :raises ValueError: the name is none.
        """
        if not is_key_name(name):
            raise ValueError(
                f"{name!r} is no name of a key: up to 64 lowercase letters and digits, with single "
                "'.', '_' or '-' between them"
            )
        text = f"{PREFIX}{name}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        return text, cls(name, user, created, expires, _hash(text), limits)

    def is_shown_by(self, user: str, text: str) -> bool:
        """Whether ``text`` is this key, and ``user`` its own name or that of its user."""
        is_right = hmac.compare_digest(_hash(text), self.hash)
        return is_right and user != "" and user in (self.name, self.user)

    def has_expired(self, now: datetime) -> bool:
        return now >= self.expires

    @property
    def identity(self) -> Identity:
        """For whom the key stands: a user of the password file, or nobody else."""
        return Identity(self.user, HTPASSWD) if self.user else Identity(self.name, SOURCE)

    @property
    def login(self) -> Login:
        """What the key, once it was shown, comes to."""
        return Login(self.identity, SOURCE, f"{self.name}:{self.hash}", self.limits)

    def to_json(self) -> bytes:
        """What is stored."""
        fields: dict[str, object] = {
            "name": self.name,
            "user": self.user,
            "created": self.created.astimezone(UTC).isoformat(timespec="seconds"),
            "expires": self.expires.astimezone(UTC).isoformat(timespec="seconds"),
            "sha256": self.hash,
        }
        if self.limits is not None:
            fields["scopes"] = [str(scope) for scope in self.limits]
        return json.dumps(fields, indent=1).encode()

    @classmethod
    def of_json(cls, content: bytes) -> PersonalKey:
        """The inverse of `to_json`. :raises KeyUnreadable:"""
        try:
            fields = json.loads(content)
            scopes = fields.get("scopes")
            return cls(
                str(fields["name"]),
                str(fields["user"]),
                _moment(fields["created"]),
                _moment(fields["expires"]),
                str(fields["sha256"]),
                None if scopes is None else parse_limits(scopes),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeyUnreadable(f"no personal access key can be read from it: {error}") from None


def is_key_name(text: str) -> bool:
    """Whether a key can be called so."""
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None


def name_in(text: str) -> str | None:
    """The name of the key that ``text`` claims to be; None when it has not the form of one."""
    match = _KEY.fullmatch(text)
    return match[1] if match and is_key_name(match[1]) else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return moment
