"""What an instance may remember: content for ever, memberships for a while, tags never."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..spec.digest import Digest

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass
class ContentCache:
    """Least recently used manifests, ``capacity`` bytes of them."""

    capacity: int
    _held: OrderedDict[Digest, bytes] = field(default_factory=OrderedDict)
    _size: int = 0

    def get(self, digest: Digest) -> bytes | None:
        content = self._held.get(digest)
        if content is not None:
            self._held.move_to_end(digest)
        return content

    def put(self, digest: Digest, content: bytes) -> None:
        if digest in self._held or len(content) > self.capacity:
            return
        self._held[digest] = content
        self._size += len(content)
        while self._size > self.capacity:
            _, evicted = self._held.popitem(last=False)
            self._size -= len(evicted)


@dataclass
class ExpiringCache(Generic[Key, Value]):
    """At most ``entries`` values, each for ``seconds``. With 0 seconds it remembers nothing."""

    seconds: float
    entries: int = 10_000
    now: Callable[[], float] = time.monotonic
    _held: OrderedDict[Key, tuple[float, Value]] = field(default_factory=OrderedDict)

    def get(self, key: Key) -> Value | None:
        until, value = self._held.get(key, (0.0, None))
        if value is not None and until > self.now():
            return value
        self._held.pop(key, None)
        return None

    def forget(self, key: Key) -> None:
        self._held.pop(key, None)

    def put(self, key: Key, value: Value) -> None:
        if self.seconds <= 0:
            return
        self._held[key] = (self.now() + self.seconds, value)
        self._held.move_to_end(key)
        while len(self._held) > self.entries:
            self._held.popitem(last=False)
