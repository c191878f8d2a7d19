"""The users of a password file."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import bcrypt
import pytest

from registry_core.auth.identity import Identity
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


@pytest.mark.parametrize("name", ["cheap", "middle", "dear", "unknown"])
@pytest.mark.parametrize("secret", ["secret", "wrong"])
async def test_a_check_takes_the_same_work_whoever_the_user_is(
    name: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work of the highest cost in the file: each step of the cost doubles it."""
    costs = {"cheap": 4, "middle": 6, "dear": 7}
    users = Htpasswd("\n".join(line(user, "secret", cost) for user, cost in costs.items()))
    compared = count_hashing(monkeypatch)
    found = await identity_of(users, name, secret)
    assert (found is not None) is (secret == "secret" and name in costs)
    assert sum(2 ** int(hashed[4:6]) for hashed in compared) == 2**7


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


async def test_checks_are_cached_whatever_they_find(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Htpasswd(line("alice", "secret"))
    compared = count_hashing(monkeypatch)
    for _ in range(3):
        assert await identity_of(users, "alice", "secret")
        assert not await identity_of(users, "alice", "wrong")
    assert len(compared) == 2


async def test_nothing_that_is_kept_contains_a_name_or_a_password() -> None:
    users = Htpasswd(line("alice", "secret"))
    await identity_of(users, "alice", "secret", "192.0.2.7")
    await identity_of(users, "mallory", "guess", "192.0.2.7")
    checks = users._checks
    kept = repr([vars(checks), *(vars(c) for c in (checks._failures, checks._trusted))])
    kept += repr([vars(checks._results.passed), vars(checks._results.failed)])
    assert not any(text in kept for text in ("alice", "mallory", "secret", "guess", "192.0.2"))


async def test_equal_logins_at_the_same_time_share_one_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = Htpasswd(line("alice", "secret", 8))
    compared = count_hashing(monkeypatch)
    many = [identity_of(users, "alice", "secret") for _ in range(500)]
    assert set(await asyncio.gather(*many)) == {ALICE}
    assert len(compared) == 1


async def test_a_changed_file_is_read_again_and_cached_checks_are_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.write_text(line("alice", "secret"))
    users = Htpasswd.from_file(file)
    assert await identity_of(users, "alice", "secret")
    replace(file, line("alice", "other") + "\n" + line("bob", "secret"))
    assert not await identity_of(users, "alice", "secret")
    assert await identity_of(users, "alice", "other")
    assert await identity_of(users, "bob", "secret")


async def test_a_check_that_was_running_when_the_file_changed_is_not_cached(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    "broken", ["bob:plain", "bob:", b"b\xf6b:x", "bob", "alice:$2b$04$short"], ids=repr
)
async def test_a_damaged_line_costs_nobody_but_its_own_user(
    broken: str | bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also not where it follows a line of the same user: the first counts, as with Apache."""
    file = tmp_path / "htpasswd"
    alice, root = line("alice", "secret"), line("root", "secret")
    file.write_text(f"{alice}\n{root}\n{line('bob', 'secret')}")
    users = Htpasswd.from_file(file)
    assert await identity_of(users, "root", "secret")
    encoded = broken if isinstance(broken, bytes) else broken.encode()
    replace(file, alice.encode() + b"\n" + encoded)
    for _ in range(3):
        assert await identity_of(users, "alice", "secret")
        assert not await identity_of(users, "bob", "secret")
        assert not await identity_of(users, "root", "secret"), "whose line was removed"
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [f"{file}:2: " in record.getMessage() for record in errors] == [True]
    replace(file, line("bob", "secret"))
    assert await identity_of(users, "bob", "secret")


@pytest.mark.parametrize("content", [None, "", "# nobody\n", "alice:plain"])
async def test_nobody_logs_in_with_a_file_without_users(
    content: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor renews a login, nor uses a personal key: the user does not exist any more."""
    file = tmp_path / "htpasswd"
    file.write_text(line("alice", "secret"))
    users = Htpasswd.from_file(file)
    login = await users.log_in("alice", "secret")
    assert login
    replace(file, content)
    for _ in range(2):
        assert await identity_of(users, "alice", "secret") is None
        assert await users.renew(login) is None
        assert not await users.has_user("alice")
    assert caplog.text.count("nobody can log in") == 1
    replace(file, line("alice", "secret"))
    assert await identity_of(users, "alice", "secret") == ALICE


async def test_passwords_cannot_be_checked_while_the_file_cannot_be_read(tmp_path: Path) -> None:
    """Whoever has a right one should not learn that it is wrong. The path is for the log only."""
    file = tmp_path / "htpasswd"
    file.write_text(line("alice", "secret"))
    users = Htpasswd.from_file(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(Unavailable) as error:
        await identity_of(users, "alice", "secret")
    assert str(file) in str(error.value)
    assert str(file) not in error.value.message
    file.rmdir()
    file.write_text(line("alice", "secret"))
    assert await identity_of(users, "alice", "secret") == ALICE


async def test_a_second_change_with_the_stamp_of_the_first_is_seen(tmp_path: Path) -> None:
    """Clocks of file systems are coarse: same size, same inode, same time."""
    file = tmp_path / "htpasswd"
    file.write_text(line("alice", "secret"))
    stamp = file.stat()
    users = Htpasswd.from_file(file)
    assert not await identity_of(users, "alice", "sacred")
    file.write_text(line("alice", "sacred"))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert await identity_of(users, "alice", "sacred")


async def test_a_file_that_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "htpasswd"
    file.write_text(line("alice", "secret"))
    os.utime(file, (1, 1))
    users = Htpasswd.from_file(file)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("the file is read"))
    for _ in range(3):
        assert await identity_of(users, "alice", "secret")


def replace(file: Path, content: str | bytes | None) -> None:
    """Replace the file by another, as happens with mounted secrets; None removes it."""
    if content is None:
        file.unlink()
        return
    other = file.with_suffix(".new")
    other.write_bytes(content if isinstance(content, bytes) else content.encode())
    other.replace(file)
