"""What all commands on storage share: one line for what stops them, exit codes, Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from registry_core.aio import run_to_completion
from registry_core.cli.storage_commands import CommandFailed, run_command
from registry_core.config import Settings
from registry_core.object_store.errors import ContinuationInvalid, StoreRefused, StoreUnavailable
from registry_core.object_store.interface import ObjectStore, exists
from registry_core.serve.azurite import Azurite
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage.layout import Layout
from tests.support.azurite import container_client
from tests.support.host import PROJECT

CONTAINER = "REGISTRY_STORAGE_AZURE_CONTAINER"


@pytest.fixture
def environment(azurite: Azurite, container_name: str) -> dict[str, str]:
    return {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        CONTAINER: container_name,
    }


def fill(environment: dict[str, str], azurite: Azurite, *paths: str) -> None:
    with container_client(azurite, environment[CONTAINER]) as client:
        for path in paths:
            client.upload_blob(path, b"")


def test_a_command_gets_the_layout_of_the_registry_that_the_container_holds(
    environment: dict[str, str], azurite: Azurite
) -> None:
    fill(environment, azurite, "/docker/registry/v2/repositories/a/_uploads/x/data")
    seen: list[tuple[str | None, str]] = []

    async def command(settings: Settings, store: ObjectStore, layout: Layout) -> int:
        assert await exists(store, f"{layout.repository('a')}/_uploads/x/data")
        seen.append((settings.root, layout.root))
        return 0

    assert run_command(environment, command) == 0
    assert seen == [("/", "/")]


def test_the_command_chooses_its_exit_code(environment: dict[str, str]) -> None:
    async def command(_: Settings, _store: ObjectStore, _layout: Layout) -> int:
        return 1

    assert run_command(environment, command) == 1


@pytest.mark.parametrize(
    "error, code, line",
    [
        (CommandFailed("nothing is called x"), 1, "nothing is called x"),
        (CommandFailed("x contradicts y", 2), 2, "x contradicts y"),
        (ManifestUnknown("a has no manifest x"), 1, "a has no manifest x"),
        (StoreRefused("put x: 409 BlobArchived (r)"), 3, "storage cannot be used (put x: 409"),
        (StoreUnavailable("put x: 403 Y (r)"), 3, "storage denies access: check the key in"),
        (ContinuationInvalid("list x: it has expired"), 3, "storage cannot be used (list x: it"),
    ],
)
def test_what_stops_a_command_is_one_line_with_an_exit_code(
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    line: str,
) -> None:
    async def command(_: Settings, _store: ObjectStore, _layout: Layout) -> int:
        raise error

    assert run_command(environment, command) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"registry: {line}")
    assert printed.err.count("\n") == 1


def test_a_container_with_two_registries_needs_a_setting(
    environment: dict[str, str], azurite: Azurite, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "docker/registry/v2/repositories/a/_uploads/x/data"
    fill(environment, azurite, path, f"/{path}")

    async def command(_: Settings, _store: ObjectStore, _layout: Layout) -> int:
        return 0

    assert run_command(environment, command) == 2
    assert "set REGISTRY_STORAGE_AZURE_ROOTDIRECTORY to" in capsys.readouterr().err
    chosen = environment | {"REGISTRY_STORAGE_AZURE_ROOTDIRECTORY": "/"}
    assert run_command(chosen, command) == 0


def test_ctrl_c_lets_the_write_under_way_finish(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    async def write() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10):
            await asyncio.sleep(0)
        done.append("the write")

    async def command(_: Settings, _store: ObjectStore, _layout: Layout) -> int:
        await run_to_completion(write())
        done.append("the rest")
        return 0

    try:
        assert run_command(environment, command) == 130
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert done == ["the write"]
    assert capsys.readouterr().err == "registry: interrupted\n"


def test_a_second_ctrl_c_ends_the_process_at_once(environment: dict[str, str]) -> None:
    script = """
import asyncio, os, signal
from registry_core.aio import run_to_completion
from registry_core.cli.storage_commands import run_command

async def write():
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(60)

async def command(settings, store, layout):
    await run_to_completion(write())

run_command(os.environ, command)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
        timeout=30,
    )
    assert ran.returncode == -signal.SIGINT
