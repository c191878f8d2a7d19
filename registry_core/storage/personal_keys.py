"""Personal access keys in the container: an object for each, whose content is not secret."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ..auth.sources.personal_keys import (
    MAX_KEY_BYTES,
    KeyUnreadable,
    PersonalKey,
    is_key_name,
)
from ..object_store.errors import ConditionFailed, NotFound, TooLarge
from ..object_store.interface import IF_ABSENT, ObjectStore, list_all
from .layout import Layout

_log = logging.getLogger(__name__)


class KeyExists(Exception):
    """There is a key of that name already."""


class KeyUnknown(Exception):
    """A personal access key does not exist."""


@dataclass(frozen=True)
class PersonalKeys:
    """The keys of one registry. Nothing is cached."""

    store: ObjectStore
    layout: Layout

    async def find(self, name: str) -> PersonalKey | None:
        """Return a key; None if there is none, or it is unreadable, which is logged. One call."""
        path = self.layout.personal_key(name)
        try:
            found = await self.store.get(path, limit=MAX_KEY_BYTES)
            key = PersonalKey.of_json(found.content)
        except NotFound:
            return None
        except (KeyUnreadable, TooLarge) as error:
            _log.warning("%s is not a personal access key: %s", path, error)
            return None
        return key if key.name == name else None

    async def add(self, key: PersonalKey) -> None:
        """Store a new key. One call.

        :raises KeyExists: the name is taken.
        """
        path = self.layout.personal_key(key.name)
        try:
            await self.store.put(path, key.to_json(), condition=IF_ABSENT)
        except ConditionFailed:
            raise KeyExists(f"there is already a key {key.name!r}; revoke it first") from None

    async def revoke(self, name: str) -> None:
        """Delete a key. One call.

        :raises KeyUnknown: the key does not exist.
        """
        unknown = KeyUnknown(f"key {name!r} does not exist")
        if not is_key_name(name):
            raise unknown
        try:
            await self.store.delete(self.layout.personal_key(name))
        except NotFound:
            raise unknown from None

    async def list(self) -> AsyncIterator[PersonalKey]:
        """Yield all keys in the order of their names, expired ones too.

        Unreadable ones are logged and left out. One call for each key, and one for each 5000.
        """
        async for entry in list_all(self.store, self.layout.personal_keys):
            name = entry.path.removeprefix(self.layout.personal_keys)
            key = await self.find(name)
            if key is not None:
                yield key
