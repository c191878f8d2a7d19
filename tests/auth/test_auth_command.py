"""`python -m registry_core auth`, run as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bcrypt
import pytest

from registry_core.auth.tokens.keys import SigningKey
from tests.support.host import PROJECT

RULES = """\
[groups]
dev = ["alice"]

[[federation]]
name = "github"
issuer = "https://issuer.example"
audience = "registry"
subjects = ["repo:org/*:ref:refs/heads/main"]
claims = {repository_owner = "org"}

[[rule]]
who = ["group:dev", "federated:github", "role:Pusher"]
may = ["push"]
on = ["team/**"]

[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/**"]
"""
ON_MAIN = ["--federated", "github", "--subject", "repo:org/app:ref:refs/heads/main"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def auth(*arguments: str | Path, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run the command. Return exit code, output and errors."""
    command = [sys.executable, "-m", "registry_core", "auth", *map(str, arguments)]
    done = subprocess.run(command, cwd=PROJECT, input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_check_prints_all_problems_if_there_are_any(file: Path) -> None:
    assert auth("check", file) == (0, f"{file}: 2 rules, no problems found\n", "")
    file.write_text(RULES.replace("push", "psh").replace('"anonymous"', '"nobody"'))
    code, output, errors = auth("check", file)
    assert (code, output) == (1, "")
    assert [line.split(": ")[0] for line in errors.splitlines()] == [f"{file}:13", f"{file}:17"]
    assert auth("check", file / "x")[2] == f"registry: {file}/x: Not a directory\n"


def test_check_prints_warnings(file: Path) -> None:
    file.write_text(RULES + '[[rule]]\nwho = ["user:alice"]\nmay = ["pull"]\non = ["team/app"]\n')
    code, output, errors = auth("check", file)
    assert (code, output) == (0, f"{file}: 3 rules, 1 warning\n")
    assert errors == (
        f"warning: {file}:20: the rule is redundant: the rule at line 11 allows the same already\n"
    )


def test_explain_names_the_rule_that_allows_an_action(file: Path) -> None:
    assert auth("explain", "--rules", file, "--user", "alice", "push", "team/app") == (
        0,
        (
            "alice may push team/app\nallowed by\n"
            f"  {file}:11: group:dev, federated:github, role:Pusher may push on team/**\n"
        ),
        "",
    )


@pytest.mark.parametrize(
    "who, action, name, code, says",
    [
        (["--user", "bob"], "pull", "team/app", 1, ":16: anonymous may pull on public/**"),
        (
            ["--anonymous"],
            "pull",
            "public/app",
            0,
            "a caller without credentials may pull public/app",
        ),
        (["--entra", "1-2", "--role", "Pusher"], "pull", "team/app", 0, "1-2 may pull team/app"),
        (["--key", "ci"], "list", "team/app", 1, "ci may not list"),
        ([*ON_MAIN, "--claim", "repository_owner=org"], "push", "team/app", 0, ":11: "),
        (
            [*ON_MAIN, "--claim", "repository_owner=other"],
            "push",
            "team/app",
            1,
            "accepts no token",
        ),
        (ON_MAIN, "push", "team/app", 1, "accepts no token with that subject"),
    ],
)
def test_explain_covers_all_kinds_of_callers(
    *, who: list[str], action: str, name: str, code: int, says: str, file: Path
) -> None:
    answered, output, errors = auth("explain", "--rules", file, *who, action, name)
    assert (answered, errors) == (code, "")
    assert says in output


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--user", "alice", "pull", "Team"], "not a valid repository name"),
        (["--user", "alice", "admin", "team"], "invalid choice"),
        (["--user", "alice", "--anonymous", "pull", "team"], "not allowed with"),
        (["--user", "alice", "--role", "x", "pull", "team"], "--role and --group need --entra"),
        (["--user", "alice", "--subject", "x", "pull", "team"], "need --federated"),
        (["--federated", "gitlab", "--subject", "x", "pull", "team"], "with the name 'gitlab'"),
        (["--federated", "github", "pull", "team"], "needs --subject"),
        ([*ON_MAIN, "--claim", "x", "pull", "team"], "is not NAME=VALUE"),
        (["pull", "team"], "is required"),
    ],
)
def test_explain_refuses_contradictory_options(arguments: list[str], says: str, file: Path) -> None:
    code, output, errors = auth("explain", "--rules", file, *arguments)
    assert (code, output) == (2, "")
    assert says in errors


def test_hash_prints_a_line_of_a_password_file() -> None:
    """The password comes from standard input: an argument would appear in process lists."""
    code, output, _ = auth("hash", "--cost", "4", "zoë", stdin="pä ss\nmore\n".encode())
    name, _, hashed = output.rstrip("\n").partition(":")
    assert (code, name, hashed[:7]) == (0, "zoë", "$2b$04$")
    assert bcrypt.checkpw("pä ss".encode(), hashed.encode())


@pytest.mark.parametrize(
    "user, password, says",
    [
        ("alice", b"", "the password is empty"),
        ("alice", b"x" * 73, "73 bytes"),
        ("alice", b"\xff", "not UTF-8"),
        ("a:b", b"secret", "contains a colon"),
    ],
)
def test_hash_refuses_credentials_that_could_not_be_used(
    user: str, password: bytes, says: str
) -> None:
    code, output, errors = auth("hash", user, stdin=password)
    assert (code, output) == (1, "")
    assert says in errors
    assert "Traceback" not in errors


def test_token_key_prints_a_new_key_each_time() -> None:
    keys = [SigningKey.parse(auth("token-key")[1]) for _ in range(2)]
    assert [key.algorithm for key in keys] == ["ES256", "ES256"]
    assert keys[0].id != keys[1].id
