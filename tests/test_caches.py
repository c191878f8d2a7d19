"""`Cache`: what it keeps, for how long, and what it drops first."""

from __future__ import annotations

from registry_core.caches import Cache
from tests.support.clock import Clock


def test_a_value_is_kept_until_it_expires() -> None:
    clock = Clock()
    cache: Cache[str, int] = Cache(30, now=clock)
    cache.put("a", 1)
    clock.pass_by(29)
    assert cache.get("a") == 1
    clock.pass_by(1)
    assert cache.get("a") is None
    assert cache.get("b") is None


def test_with_0_seconds_nothing_is_kept() -> None:
    cache: Cache[str, int] = Cache(0)
    cache.put("a", 1)
    assert cache.get("a") is None


def test_the_least_recently_used_value_makes_room() -> None:
    cache: Cache[str, int] = Cache(capacity=2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]


def test_the_capacity_bounds_the_size_of_all_values() -> None:
    cache: Cache[str, bytes] = Cache(capacity=10, size_of=len)
    cache.put("a", b"x" * 6)
    cache.put("a", b"x" * 4)
    cache.put("b", b"x" * 6)
    assert [cache.get(key) for key in "ab"] == [b"x" * 4, b"x" * 6]
    cache.put("c", b"x")
    assert [cache.get(key) for key in "abc"] == [None, b"x" * 6, b"x"]
    cache.put("d", b"x" * 11)
    assert cache.get("d") is None
    assert cache.get("b"), "a value that does not fit drops the others"


def test_a_forgotten_value_frees_its_size() -> None:
    cache: Cache[str, bytes] = Cache(capacity=10, size_of=len)
    cache.put("a", b"x" * 10)
    cache.forget("a")
    cache.forget("a")
    for key in "bc":
        cache.put(key, b"x" * 5)
    assert cache.get("b")
    cache.clear()
    assert cache.get("c") is None
