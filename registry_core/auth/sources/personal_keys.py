"""Personal access keys: passwords that the registry generates, each with a purpose and an expiry.

A key is ``regk_<name>_<secret>``, which people and programs that look for leaked secrets recognise.
The secret is 256 random bits. Therefore only its hash is stored, and a fast hash is enough: slow
hashes are for passwords, which can be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ...spec.scopes import Scope
from ..identity import HTPASSWD, KEY, Identity, Login, parse_limits

PREFIX = "regk_"

MAX_KEY_BYTES = 64 * 2**10
"""The size of the largest key in storage."""

_SECRET_BYTES = 32
_LONGEST_NAME = 64
_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_KEY = re.compile(rf"{PREFIX}({_NAME.pattern})_[A-Za-z0-9_-]{{43}}")


class KeyUnreadable(ValueError):
    """The stored text is not a personal access key, or is damaged."""


@dataclass(frozen=True)
class PersonalKey:
    """What is stored of a key.

    ``user`` is the user of the password file that the key acts for; empty for a key that acts for
    itself. ``limits`` are scopes, with globs for names, that bound what the key may do; None means
    everything that the user may do.
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
        """Return a new key as its user sees it, and what to store of it.

        :raises ValueError: the name is not valid, or the key exceeds `MAX_KEY_BYTES`.
        """
        if not is_key_name(name):
            raise ValueError(
                f"{name!r} is not a valid key name: up to 64 lowercase letters and digits, with "
                "single '.', '_' or '-' between them"
            )
        text = f"{PREFIX}{name}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        key = cls(name, user, created, expires, _hash(text), limits)
        if len(key.to_json()) > MAX_KEY_BYTES:
            raise ValueError(
                f"the key would have more than {MAX_KEY_BYTES} bytes: use fewer scopes"
            )
        return text, key

    def matches(self, user: str, text: str) -> bool:
        """Whether ``text`` is this key, and ``user`` its own name or that of its user."""
        is_right = hmac.compare_digest(_hash(text), self.hash)
        return is_right and user != "" and user in (self.name, self.user)

    def has_expired(self, now: datetime) -> bool:
        return now >= self.expires

    @property
    def login(self) -> Login:
        """The login that the key proves: of its user, or of the key itself."""
        identity = Identity(self.user, HTPASSWD) if self.user else Identity(self.name, KEY)
        return Login(identity, KEY, f"{self.name}:{self.hash}", self.limits)

    def to_json(self) -> bytes:
        """Return the text to store."""
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
        """Parse a text that `to_json` returned.

        :raises KeyUnreadable: it is another text.
        """
        try:
            fields = json.loads(content)
            scopes = fields.get("scopes")
            return cls(
                str(fields["name"]),
                str(fields["user"]),
                _parse_time(fields["created"]),
                _parse_time(fields["expires"]),
                str(fields["sha256"]),
                None if scopes is None else parse_limits(scopes),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeyUnreadable(f"not a personal access key: {error}") from None


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class PersonalKeySource:
    """`IdentitySource` of personal access keys. Nothing is cached: revoking takes effect at once.

    ``find`` returns the stored key of a name, or None. ``has_user`` says whether a user still
    exists, because a key is worth nothing without its user; None where all users exist.
    """

    find: Callable[[str], Awaitable[PersonalKey | None]]
    has_user: Callable[[str], Awaitable[bool]] | None = None
    now: Callable[[], datetime] = _now
    name: str = KEY

    async def log_in(self, name: str, secret: str, *, client: str = "") -> Login | None:
        """Return the login of a key. Looks only for secrets that look like keys."""
        key = await self._find_valid(key_name(secret))
        return key.login if key and key.matches(name, secret) else None

    async def renew(self, login: Login) -> Login | None:
        """Return the login unless its key has expired, was revoked, or was replaced."""
        key = await self._find_valid(login.credential.partition(":")[0])
        return key.login if key and key.login.credential == login.credential else None

    async def _find_valid(self, name: str | None) -> PersonalKey | None:
        key = await self.find(name) if name else None
        if key is None or key.has_expired(self.now()):
            return None
        if key.user and self.has_user is not None and not await self.has_user(key.user):
            return None
        return key


def is_key_name(text: str) -> bool:
    """Whether the text is a valid name of a key."""
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None


def key_name(text: str) -> str | None:
    """Return the name in a key; None if the text does not have the form of a key."""
    match = _KEY.fullmatch(text)
    return match[1] if match and is_key_name(match[1]) else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _parse_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return time
