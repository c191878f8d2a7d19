"""Personal access keys, kept in the container: one object each, whose content is no secret."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ..auth.logins import Login
from ..auth.personal_keys import SOURCE, KeyUnreadable, PersonalKey, is_key_name, name_in
from ..object_store.interface import IF_ABSENT, ConditionFailed, NotFound, ObjectStore, list_all
from .layout import Layout

_log = logging.getLogger(__name__)


class KeyExists(Exception):
    """There is a key of that name already."""


class KeyUnknown(Exception):
    """There is no key of that name."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class PersonalKeys:
    """Also a `LoginSource`. Nothing is remembered: a key that is revoked lets in nobody any more.

    ``is_user``: whether there still is such a user; without it, whoever a key names is one.
    """

    store: ObjectStore
    layout: Layout
    is_user: Callable[[str], Awaitable[bool]] | None = None
    now: Callable[[], datetime] = _now

    @property
    def source(self) -> str:
        return SOURCE

    async def log_in(self, name: str, secret: str) -> Login | None:
        """One call where ``secret`` looks like a key, none otherwise."""
        key = await self._standing(name_in(secret))
        if key is None or not key.is_shown_by(name, secret):
            return None
        return key.login

    async def renew(self, login: Login) -> Login | None:
        """One call."""
        key = await self._standing(login.credential.partition(":")[0])
        if key is None or key.login.credential != login.credential:
            return None
        return key.login

    async def add(self, key: PersonalKey) -> None:
        """One call. :raises KeyExists:"""
        path = self.layout.personal_key(key.name)
        try:
            await self.store.put(path, key.to_json(), condition=IF_ABSENT)
        except ConditionFailed:
            raise KeyExists(f"there is a key {key.name!r}; revoke it first") from None

    async def revoke(self, name: str) -> None:
        """One call. :raises KeyUnknown:"""
        unknown = KeyUnknown(f"there is no key {name!r}")
        if not is_key_name(name):
            raise unknown
        try:
            await self.store.delete(self.layout.personal_key(name))
        except NotFound:
            raise unknown from None

    async def list(self) -> AsyncIterator[PersonalKey]:
        """All keys, expired ones too, in the order of their names. What is none is logged.

        A call for each, and one for each 5000.
        """
        async for entry in list_all(self.store, self.layout.personal_keys):
            name = entry.path.removeprefix(self.layout.personal_keys)
            key = await self._read(name)
            if key is not None:
                yield key

    async def _standing(self, name: str | None) -> PersonalKey | None:
        """The key, unless it has expired or its user is gone."""
        key = await self._read(name) if name else None
        if key is None or key.has_expired(self.now()):
            return None
        if key.user and self.is_user is not None and not await self.is_user(key.user):
            return None
        return key

    async def _read(self, name: str) -> PersonalKey | None:
        path = self.layout.personal_key(name)
        try:
            key = PersonalKey.of_json((await self.store.get(path)).content)
        except NotFound:
            return None
        except KeyUnreadable as error:
            _log.warning("%s: %s", path, error)
            return None
        return key if key.name == name else None
