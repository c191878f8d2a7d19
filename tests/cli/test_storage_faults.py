"""What stops a command on storage is one line with an exit code, whichever the command."""

from __future__ import annotations

import signal
import socket
import subprocess

import pytest

from registry_core.serve.azurite import Azurite

from .commands import COMMAND, CONTAINER, by_key, environment, run, url_of

COMMANDS = [
    ("gc",),
    ("gc", "--dry-run"),
    ("gc", "--pardon-all"),
    ("retention", "preview"),
    ("usage",),
]

each_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@each_command
def test_a_missing_container_is_named(settings: dict[str, str], command: tuple[str, ...]) -> None:
    ran = run(settings | {CONTAINER: "missing"}, *command)
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        3,
        "",
        (
            "registry: the storage account has no container 'missing': "
            "create it, or correct REGISTRY_STORAGE_AZURE_CONTAINER\n"
        ),
    )


@each_command
def test_wrong_credentials_are_named(
    azurite: Azurite, container_name: str, command: tuple[str, ...]
) -> None:
    ran = run(by_key(container_name, azurite.service_url), *command)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (3, "", 1)
    assert ran.stderr.startswith(
        "registry: storage denies access: check REGISTRY_STORAGE_AZURE_ACCOUNTKEY ("
    )


@each_command
def test_a_missing_setting_is_named(command: tuple[str, ...]) -> None:
    ran = run({}, *command)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "REGISTRY_STORAGE_AZURE_CONTAINER is missing; name a container" in ran.stderr
    assert all(line.startswith("registry: ") for line in ran.stderr.splitlines())


@pytest.mark.parametrize("name", ["REGISTRY_GC_GRACE", "REGISTRY_GC_YOUNG"])
def test_a_wrong_setting_of_the_collection_is_one_line(settings: dict[str, str], name: str) -> None:
    ran = run(settings | {name: "soon"}, "gc")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (f"registry: {name}: 'soon' is not a duration, such as 12h, 14d or 2w\n")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("gc", "--dry-run", "--pardon-all"), "--pardon-all: not allowed with argument --dry-run"),
        (("gc", "--dryrun"), "unrecognized arguments: --dryrun"),
        (("retention",), "the following arguments are required: COMMAND"),
        (
            ("retention", "preview", "--repository", "A"),
            "--repository: 'A' is not a glob of repositories",
        ),
        (("usage", "team/app"), "unrecognized arguments: team/app"),
    ],
)
def test_wrong_options_are_explained(arguments: tuple[str, ...], message: str) -> None:
    ran = run({}, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr


@each_command
def test_ctrl_c_is_one_line(command: tuple[str, ...]) -> None:
    """Storage has accepted the connection and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        process = subprocess.Popen(
            [*COMMAND, *command],
            env=environment(by_key("registry", url_of(server))),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = server.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            printed, errors = process.communicate(timeout=20)
    assert (process.returncode, printed, errors) == (130, "", "registry: interrupted\n")
