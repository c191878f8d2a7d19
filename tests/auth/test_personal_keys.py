"""Personal access keys, and what is stored of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from registry_core.auth.identity import parse_limits
from registry_core.auth.sources.personal_keys import (
    MAX_KEY_BYTES,
    KeyUnreadable,
    PersonalKey,
    PersonalKeySource,
    key_name,
)
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.scopes import Scope
from registry_core.storage.layout import Layout
from registry_core.storage.personal_keys import KeyExists, KeyUnknown, PersonalKeys
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)


def new_key(name: str = "ci", user: str = "alice") -> tuple[str, PersonalKey]:
    return PersonalKey.make(name, user, created=NOW, expires=TOMORROW)


def test_a_key_contains_its_kind_and_its_name() -> None:
    text, key = new_key("build.bot-1")
    assert text.startswith("regk_build.bot-1_")
    assert key_name(text) == key.name == "build.bot-1"
    assert new_key()[0] != new_key()[0]


def test_only_a_hash_is_stored() -> None:
    text, key = new_key()
    stored = json.loads(key.to_json())
    assert stored["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert text.rpartition("_")[2] not in key.to_json().decode()
    assert stored["sha256"] not in repr(key)


@pytest.mark.parametrize("limits", [None, parse_limits(["repository:a/**:pull"])])
def test_a_stored_key_is_parsed_to_the_same_value(limits: tuple[Scope, ...] | None) -> None:
    key = replace(new_key()[1], limits=limits)
    assert PersonalKey.of_json(key.to_json()) == key


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"name": 1, "user": ""}'])
def test_a_damaged_key_is_refused(content: bytes) -> None:
    with pytest.raises(KeyUnreadable):
        PersonalKey.of_json(content)


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "a/b", "-a", "a--b", "a" * 65, "a\n"])
def test_an_ambiguous_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a valid key name"):
        new_key(name)


@pytest.mark.parametrize(
    "text", ["", "secret", "regk_ci", "regk_ci_short", "regk_../x_" + "a" * 43, "x" + new_key()[0]]
)
def test_other_passwords_are_not_parsed_as_keys(text: str) -> None:
    assert key_name(text) is None


@pytest.mark.parametrize("text", ["x", "repository:A:pull", "repository:a:", "repository:a b:pull"])
def test_a_limit_that_can_never_match_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|names no"):
        parse_limits([text])


async def test_an_object_that_is_too_large_is_not_taken_for_a_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    keys = PersonalKeys(store, Layout())
    _, key = new_key()
    await store.put(Layout().personal_key(key.name), key.to_json().ljust(MAX_KEY_BYTES))
    assert await keys.find(key.name) == key
    await store.put(Layout().personal_key(key.name), key.to_json().ljust(MAX_KEY_BYTES + 1))
    assert await keys.find(key.name) is None
    assert "is not a personal access key" in caplog.text


def test_a_key_that_could_not_be_read_again_is_not_made() -> None:
    limits = parse_limits([f"repository:team-{number}/**:pull" for number in range(2500)])
    with pytest.raises(ValueError, match="use fewer scopes"):
        PersonalKey.make("large", "alice", created=NOW, expires=TOMORROW, limits=limits)


async def test_a_login_costs_one_call_and_other_passwords_none() -> None:
    store = CountingStore(MemoryStore())
    keys = PersonalKeys(store, Layout())
    source = PersonalKeySource(keys.find, now=lambda: NOW)
    text, key = new_key()
    await keys.add(key)
    store.calls.clear()
    login = await source.log_in("alice", text)
    assert login is not None
    assert len(store.calls) == 1
    assert await source.renew(login) == login
    assert len(store.calls) == 2
    assert await source.log_in("alice", "a password") is None
    assert len(store.calls) == 2


async def test_a_key_is_valid_until_it_expires() -> None:
    keys = PersonalKeys(MemoryStore(), Layout())
    text, key = new_key()
    await keys.add(key)
    for now, holds in [(TOMORROW - timedelta(seconds=1), True), (TOMORROW, False)]:
        source = PersonalKeySource(keys.find, now=partial(now.replace, microsecond=0))
        assert (await source.log_in("alice", text) is not None) is holds


async def test_a_key_that_differs_in_one_letter_is_refused() -> None:
    keys = PersonalKeys(MemoryStore(), Layout())
    source = PersonalKeySource(keys.find, now=lambda: NOW)
    text, key = new_key()
    await keys.add(key)
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert await source.log_in("alice", other) is None
    assert await source.log_in("", text) is None


async def test_a_key_stored_under_another_name_is_refused() -> None:
    """So is an unreadable one."""
    store, layout = MemoryStore(), Layout()
    source = PersonalKeySource(PersonalKeys(store, layout).find, now=lambda: NOW)
    text, key = new_key()
    await store.put(layout.personal_key("ci"), replace(key, name="other").to_json())
    assert await source.log_in("alice", text) is None
    await store.put(layout.personal_key("ci"), b"")
    assert await source.log_in("alice", text) is None


async def test_keys_are_listed_by_name_and_names_are_unique() -> None:
    keys = PersonalKeys(MemoryStore(), Layout())
    made = [new_key(name)[1] for name in ("b", "a")]
    for key in made:
        await keys.add(key)
    assert [key async for key in keys.list()] == sorted(made, key=lambda key: key.name)
    with pytest.raises(KeyExists):
        await keys.add(new_key("a")[1])
    await keys.revoke("a")
    assert [key.name async for key in keys.list()] == ["b"]
    for unknown in ("a", "../a"):
        with pytest.raises(KeyUnknown):
            await keys.revoke(unknown)
