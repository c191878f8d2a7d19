"""The users of a password file."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import bcrypt
import pytest

from registry_core.auth.identity import Identity
from registry_core.auth.sources import htpasswd as module
from registry_core.auth.sources.htpasswd import (
    Htpasswd,
    HtpasswdInvalid,
    htpasswd_line,
    parse_htpasswd,
)
from registry_core.spec.errors import Unavailable
from tests.support.identities import identity_of

pytestmark = pytest.mark.anyio

ALICE = Identity("alice", "htpasswd")


def line(user: str, password: str, rounds: int = 4) -> str:
    return htpasswd_line(user, password, rounds)


def count_hashing(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list of the hashes that are checked from now on."""
    compared = []
    check = bcrypt.checkpw

    def checkpw(password: bytes, hashed: bytes) -> bool:
        compared.append(hashed)
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    return compared


@pytest.mark.parametrize("marker", ["$2a$", "$2b$", "$2y$"])
async def test_a_user_logs_in_with_the_right_password_only(marker: str) -> None:
    users = Htpasswd(line("alice", "secret").replace("$2b$", marker))
    assert await identity_of(users, "alice", "secret") == ALICE
    for name, secret in [
        ("alice", "Secret"),
        ("alice", ""),
        ("Alice", "secret"),
        ("bob", "secret"),
        ("", ""),
        ("alice\0", "secret"),
        ("alice", "secret\0"),
        ("alice", "\udcff"),
    ]:
        assert await identity_of(users, name, secret) is None, (name, secret)


async def test_names_and_passwords_may_have_any_letters() -> None:
    """In UTF-8; the password may contain colons."""
    users = Htpasswd(f"# the team\n\n{line('zoë', 'pä:ss:wörd')}\r\n")
    assert await identity_of(users, "zoë", "pä:ss:wörd") == Identity("zoë", "htpasswd")


async def test_only_the_first_72_bytes_of_a_password_count() -> None:
    """As with Apache and distribution, whose files are accepted unchanged."""
    users = Htpasswd(line("alice", "x" * 72))
    assert await identity_of(users, "alice", "x" * 72 + "y")
    assert not await identity_of(users, "alice", "x" * 71)


def test_a_line_is_refused_for_a_password_that_is_too_long_or_empty() -> None:
    with pytest.raises(ValueError, match="73 bytes"):
        line("alice", "ü" * 36 + "x")
    with pytest.raises(ValueError, match="empty"):
        line("alice", "")


@pytest.mark.parametrize("user", ["", "a:b", "#a", " a", "a\nb"])
def test_a_line_is_refused_for_a_name_that_could_not_be_parsed(user: str) -> None:
    with pytest.raises(ValueError, match="cannot be a user name"):
        line(user, "secret")


def test_all_problems_of_a_file_are_reported_with_their_lines() -> None:
    """MD5, SHA-1, crypt and plain text are refused, and malformed lines. None is quoted."""
    fine = line("fine", "secret").partition(":")[2]
    text = "\n".join(
        [
            "md5:$apr1$NUQ6hRJp$ZtC5LmmR4VUzSjIj8U1h0.",
            "sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
            "",
            "plain:hunter2",
            "nothing",
            ":" + fine,
            "empty:",
            f"fine:{fine}",
            f"fine:{fine}",
            f"slow:{fine.replace('$04$', '$31$')}",
            f"cut:{fine[:-1]}",
            f"salt:{fine[:28]}a{fine[29:]}",
        ]
    )
    with pytest.raises(HtpasswdInvalid) as error:
        parse_htpasswd(text, "users")
    problems = error.value.problems
    assert [int(problem.split(":")[1]) for problem in problems] == [1, 2, 4, 5, 6, 7, 9, 10, 11, 12]
    assert problems[6] == "users:9: user 'fine' is already on line 8"
    assert "hunter2" not in str(error.value)
    assert fine[10:] not in str(error.value)


@pytest.mark.parametrize("text", ["", "\n \n", "# nobody\n"])
def test_a_file_without_users_is_refused(text: str) -> None:
    with pytest.raises(HtpasswdInvalid, match="names no user"):
        Htpasswd(text)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HtpasswdInvalid, match="missing: No such file"):
        Htpasswd.from_file(tmp_path / "missing")
    (tmp_path / "latin").write_bytes(b"\xe4:x")
    with pytest.raises(HtpasswdInvalid, match="latin: is not UTF-8"):
        Htpasswd.from_file(tmp_path / "latin")


async def test_an_unknown_user_costs_one_hash_like_a_wrong_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The hash has the highest cost in the file."""
    users = Htpasswd(f"{line('alice', 'secret', 6)}\n{line('bob', 'secret', 4)}")
    compared = count_hashing(monkeypatch)
    assert await identity_of(users, "mallory", "secret") is None
    assert await identity_of(users, "alice", "wrong") is None
    assert [hashed[:7] for hashed in compared] == [b"$2b$06$", b"$2b$06$"]


async def test_the_time_does_not_reveal_who_is_a_user() -> None:
    """The fastest of several attempts take about the same CPU time of this process."""
    users = Htpasswd(line("alice", "secret", 9))

    async def cheapest(name: str) -> float:
        times = []
        for attempt in range(5):
            began = time.process_time()
            await identity_of(users, name, f"wrong {attempt}")
            times.append(time.process_time() - began)
        return min(times)

    known, unknown = await cheapest("alice"), await cheapest("mallory")
    assert 0.5 < known / unknown < 2


async def test_successful_checks_are_cached_and_failed_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = Htpasswd(line("alice", "secret"))
    compared = count_hashing(monkeypatch)
    for _ in range(3):
        assert await identity_of(users, "alice", "secret")
    assert len(compared) == 1
    for _ in range(3):
        assert not await identity_of(users, "alice", "wrong")
    assert len(compared) == 4


async def test_the_cache_contains_no_password() -> None:
    users = Htpasswd(line("alice", "secret"))
    await identity_of(users, "alice", "secret")
    checks = users._checks
    assert b"secret" not in repr((vars(checks), vars(checks._passed))).encode()


async def test_equal_logins_at_the_same_time_share_one_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = Htpasswd(line("alice", "secret", 8))
    compared = count_hashing(monkeypatch)
    many = [identity_of(users, "alice", "secret") for _ in range(500)]
    assert set(await asyncio.gather(*many)) == {ALICE}
    assert len(compared) == 1


async def test_a_flood_of_wrong_passwords_is_refused_with_retry_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cached logins do not wait for it."""
    monkeypatch.setattr(module, "WAITING", 8)
    users = Htpasswd(line("alice", "secret", 10))
    assert await identity_of(users, "alice", "secret")
    flood = [asyncio.create_task(identity_of(users, "alice", f"wrong {i}")) for i in range(100)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(identity_of(users, "alice", "secret"), 1)
    assert not any(attempt.done() and not attempt.exception() for attempt in flood)
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert answers.count(None) == 8
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(refused) == 92
    assert refused[0].headers == {"Retry-After": "2"}


async def test_a_cancelled_login_does_not_cancel_the_check_of_another() -> None:
    users = Htpasswd(line("alice", "secret", 8))
    first = asyncio.create_task(identity_of(users, "alice", "secret"))
    second = asyncio.create_task(identity_of(users, "alice", "secret"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ALICE


async def test_a_changed_file_is_read_again_and_cached_checks_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RELOAD_SECONDS", 0)
    file = tmp_path / "htpasswd"
    file.write_text(line("alice", "secret"))
    users = Htpasswd.from_file(file)
    assert await identity_of(users, "alice", "secret")
    replace(file, line("alice", "other") + "\n" + line("bob", "secret"))
    assert not await identity_of(users, "alice", "secret")
    assert await identity_of(users, "alice", "other")
    assert await identity_of(users, "bob", "secret")


async def test_a_check_that_was_running_when_the_file_changed_is_not_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RELOAD_SECONDS", 0)
    file = tmp_path / "htpasswd"
    file.write_text(line("alice", "secret", 10))
    users = Htpasswd.from_file(file)
    begun, changed = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def check() -> bool:
        loop.call_soon_threadsafe(begun.set)
        return changed.wait(10)

    slow = asyncio.create_task(users._checks.passes(b"alice", b"secret", check))
    await begun.wait()
    replace(file, line("bob", "secret"))
    assert not await identity_of(users, "alice", "wrong")
    changed.set()
    assert await slow
    assert not await identity_of(users, "alice", "secret")


@pytest.mark.parametrize("broken", ["alice:plain", None])
async def test_the_users_stay_as_they_were_when_the_file_becomes_invalid(
    broken: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "RELOAD_SECONDS", 0)
    file = tmp_path / "htpasswd"
    file.write_text(line("alice", "secret"))
    users = Htpasswd.from_file(file)
    replace(file, broken)
    assert await identity_of(users, "alice", "secret")
    assert "the users stay as they were" in caplog.text
    replace(file, line("bob", "secret"))
    assert await identity_of(users, "bob", "secret")


async def test_the_file_is_not_checked_with_each_request(
    tmp_path: Path,
) -> None:
    file = tmp_path / "htpasswd"
    file.write_text(line("alice", "secret"))
    users = Htpasswd.from_file(file)
    file.unlink()
    assert await identity_of(users, "alice", "secret")


def replace(file: Path, text: str | None) -> None:
    """Replace the file by another, as happens with mounted secrets; None removes it."""
    if text is None:
        file.unlink()
        return
    other = file.with_suffix(".new")
    other.write_text(text)
    other.replace(file)
