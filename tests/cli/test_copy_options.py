"""The options of `copy`, `import` and `sync`: what is wrong with them ends the command at once."""

from __future__ import annotations

import argparse
import asyncio
import io
from pathlib import Path

import pytest

from registry_core.cli.client_options import client_options
from registry_core.cli.main import main
from registry_core.cli.registry_access import (
    AccessOptions,
    UserLogin,
    access_of_document,
    add_access_options,
    read_access,
)
from registry_core.cli.storage_commands import CommandFailed
from registry_core.transfer.locations import RegistryLocation, parse_location
from registry_core.transfer.sync_document import RegistryAccess

DIGEST = f"sha256:{'0' * 64}"
SOURCE, TARGET = "r.example/app:v1", "o.example/app"


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command with wrong options; return what it says."""
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(str(ended.code))
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, ""), printed.err
    return printed.err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["copy", SOURCE], "the following arguments are required: TARGET"),
        (["copy", "r.example/App", TARGET], "argument SOURCE: 'r.example/App': 'App' is not"),
        (["copy", SOURCE, f"{TARGET}@{DIGEST}"], "has a digest; leave it out"),
        (["copy", "--all-tags", SOURCE, TARGET], "neither the source nor the target has a tag"),
        (["copy", "--all-tags", "r.example/app", f"{TARGET}:v1"], "neither the source nor"),
        (["copy", SOURCE, SOURCE], "source and target are the same"),
        (["copy", "--platform", "linux", SOURCE, TARGET], "'linux' is not a platform"),
        (["copy", "--parallel", "0", SOURCE, TARGET], "'0' is not a number from 1 to 64"),
        (["copy", "--dest-tls-verify", "no", SOURCE, TARGET], "'no' is neither true nor false"),
        (["copy", "--src-creds", ":x", SOURCE, TARGET], "--src-creds is USER:PASSWORD, or USER"),
        (["copy", "--src-creds", "a", SOURCE, TARGET], "add --src-password-stdin"),
        (["copy", "--dest-password-stdin", SOURCE, TARGET], "needs --dest-creds USER"),
        (
            ["copy", "--dest-creds=a:b", "--dest-password-stdin", SOURCE, TARGET],
            "--dest-creds has a password; leave out --dest-password-stdin",
        ),
        (
            ["copy", "--src-password-stdin", "--dest-password-stdin", SOURCE, TARGET],
            "--src-password-stdin and --dest-password-stdin exclude each other",
        ),
        (["copy", "--src-creds=a:b", "--src-no-creds", SOURCE, TARGET], "not allowed with"),
        (["import", "oci:images", TARGET], "'oci:images' is not in a registry; use copy"),
        (["import", SOURCE, "oci:images"], "'oci:images' is not in a registry; use copy"),
        (["sync"], "the following arguments are required: FILE"),
        (["sync", "missing.toml"], "missing.toml cannot be read: No such file or directory"),
    ],
)
def test_wrong_options_are_explained(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert said in fails(capsys, *arguments)


@pytest.mark.parametrize(
    "line, said",
    [
        (b"", "standard input has no password in its first line"),
        (b"\nsecret\n", "standard input has no password in its first line"),
        (b"\xff\n", "the password in standard input is not UTF-8"),
    ],
)
def test_a_password_is_the_first_line_of_standard_input(
    line: bytes,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line)))
    options = ("--dest-creds", "alice", "--dest-password-stdin")
    assert said in fails(capsys, "copy", *options, SOURCE, TARGET)


def test_all_problems_of_a_document_are_shown_with_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sync.toml"
    file.write_text('[[sync]]\nsource = "r.example/app:v1"\n[[sync]]\ntarget = "o.example/a"\n')
    assert fails(capsys, "sync", str(file)) == (
        f"registry: {file}:1: the sync lacks target\nregistry: {file}:3: the sync lacks source\n"
    )


def test_ctrl_c_at_the_prompt_for_a_password_ends_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is asked for on a terminal, before anything is connected."""

    def interrupted(prompt: str) -> str:
        assert prompt == "Password of alice: "
        assert asyncio._get_running_loop() is None
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", interrupted)
    assert main(["copy", "--src-creds", "alice", SOURCE, TARGET]) == 130
    assert capsys.readouterr().err == "registry: interrupted\n"


@pytest.mark.parametrize(
    "content, said",
    [(b"\xff", "is not UTF-8"), (b"#" * (2**20 + 1), "has more than 1 MiB")],
)
def test_what_is_not_a_document_is_refused(
    content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sync.toml"
    file.write_bytes(content)
    assert f"{file} {said}" in fails(capsys, "sync", str(file))


def test_the_password_of_a_document_is_in_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret\n")
    by_variable = RegistryAccess("alice", password_env="HUB")
    by_file = RegistryAccess("alice", password_file=str(file), tls_verify=False, parallel=2)
    login = UserLogin("alice", "secret")
    assert access_of_document(by_variable, {"HUB": "secret"}) == AccessOptions(login)
    assert access_of_document(by_file, {}) == AccessOptions(login, tls_verify=False, parallel=2)
    assert "secret" not in repr(AccessOptions(login))


@pytest.mark.parametrize(
    "access, said",
    [
        (RegistryAccess("alice", password_env="HUB"), "the variable HUB, which has the password"),
        (RegistryAccess("alice", password_file="missing"), "missing: No such file or directory"),
    ],
)
def test_a_missing_password_of_a_document_is_named(access: RegistryAccess, said: str) -> None:
    with pytest.raises(CommandFailed, match=said) as error:
        access_of_document(access, {})
    assert error.value.code == 2


def test_a_token_host_is_where_that_sides_login_may_be_sent() -> None:
    parser = argparse.ArgumentParser()
    for side in ("src", "dest"):
        add_access_options(parser, side, side)
    where = parse_location(SOURCE)
    assert isinstance(where, RegistryLocation)
    options = ["--src-token-host", "Login.example.org"]
    allowed = [
        asyncio.run(client_options(where, access, {})).realms
        for access in read_access(parser.parse_args(options))
    ]
    assert allowed == [{"login.example.org"}, frozenset()]
    assert access_of_document(RegistryAccess(token_host="a"), {}) == AccessOptions(token_host="a")
