"""Containerfile: an image that is reproducible, does not run as root, and serves the registry.

Its last stage is tried without a container: the very command, with the environment of the image.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import httpx
import pytest
from dockerfile_parse import DockerfileParser

from registry_core.serve.azurite import Azurite
from registry_core.serve.protocol import LimitedProtocol
from registry_core.serve.server import KEEP_ALIVE_SECONDS
from registry_core.spec.digest import Digest
from tests.support.azurite import create_container
from tests.support.eventually import until
from tests.support.host import PROJECT

KILLED_AFTER_SECONDS = 30  # the default of Container Apps, and of Kubernetes


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, of all stages."""
    text = (PROJECT / "Containerfile").read_bytes()
    parser = DockerfileParser(fileobj=io.BytesIO(text))
    return [(each["instruction"], each["value"]) for each in parser.structure]


@pytest.fixture(scope="module")
def image(instructions: list[tuple[str, str]]) -> dict[str, str]:
    """The instructions of the last stage that describe the image."""
    start = [name for name, _ in instructions][::-1].index("FROM")
    return dict(instructions[-start:])


@pytest.fixture(scope="module")
def environment(image: dict[str, str]) -> dict[str, str]:
    """What the image sets, but for the path of its programs."""
    pairs = (word.split("=", 1) for word in shlex.split(image["ENV"]))
    return {name: value for name, value in pairs if name != "PATH"}


def test_the_base_image_is_pinned_to_a_release(instructions: list[tuple[str, str]]) -> None:
    """All stages have the same, or the virtual environment would not fit its Python."""
    (base,) = (value for name, value in instructions if name == "ARG")
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.13\.\d+-slim-bookworm", base)
    assert [value for name, value in instructions if name == "FROM"] == [
        "${BASE} AS build",
        "${BASE}",
    ]


def test_what_is_copied_is_there_and_nothing_else_is_sent_to_the_builder(
    instructions: list[tuple[str, str]],
) -> None:
    copies = (value.split() for name, value in instructions if name == "COPY")
    sources = {path for *paths, _ in copies for path in paths if not path.startswith(("-", "/opt"))}
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line.removeprefix("!/") for line in lines if line.startswith("!")} == sources
    assert all((PROJECT / source).exists() for source in sources)


def test_packages_are_pinned_with_hashes(instructions: list[tuple[str, str]]) -> None:
    """What is not checked against a file of hashes comes from the build itself."""
    commands = [
        command.split()
        for name, value in instructions
        if name == "RUN"
        for command in value.split("&&")
        if " install " in command
    ]
    files = [command[-1] for command in commands if "--require-hashes" in command]
    assert files == ["requirements-build.txt", "requirements-local.txt"]
    unchecked = [command for command in commands if "--require-hashes" not in command]
    assert [{"--no-deps", "--no-index"} <= {*command} for command in unchecked] == [True]


def test_it_does_not_run_as_root(image: dict[str, str]) -> None:
    """By number, so that `runAsNonRoot` of Kubernetes can be checked before the start."""
    user, _, group = image["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_port_is_the_one_exposed(image: dict[str, str], environment: dict[str, str]) -> None:
    assert environment["UVICORN_PORT"] == image["EXPOSE"]


def test_heads_of_requests_are_limited_as_on_the_local_server(environment: dict[str, str]) -> None:
    module, _, name = environment["UVICORN_HTTP"].partition(":")
    assert getattr(importlib.import_module(module), name) is LimitedProtocol


def test_times_fit_clients_and_platform(environment: dict[str, str]) -> None:
    assert int(environment["UVICORN_TIMEOUT_KEEP_ALIVE"]) == KEEP_ALIVE_SECONDS
    assert int(environment["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"]) < KILLED_AFTER_SECONDS


class Started:
    """The command of the image as a process, with its health check."""

    def __init__(self, image: dict[str, str], environment: dict[str, str], log: IO[bytes]) -> None:
        """Start it on a free port, with further settings in ``environment``."""
        self._bin = Path(sys.executable).parent
        self._environment = {"PATH": str(self._bin), **environment}
        self._check = json.loads(image["HEALTHCHECK"].partition("CMD ")[2])
        self._log = log
        self.process = self._run(json.loads(image["CMD"]), log)

    def _run(self, command: list[str], log: IO[bytes] | int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(self._bin / command[0]), *command[1:]],
            cwd=PROJECT,
            env=self._environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def is_healthy(self) -> bool:
        return self._run(self._check, subprocess.DEVNULL).wait(20) == 0

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()


@pytest.fixture(scope="module")
def port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def started(
    image: dict[str, str], environment: dict[str, str], azurite: Azurite, port: int, tmp_path: Path
) -> Iterator[Started]:
    settings = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret of the tests, and of nobody else",
        "UVICORN_PORT": str(port),
    }
    with (tmp_path / "log").open("w+b") as log:
        started = Started(image, environment | settings, log)
        yield started
        started.process.kill()
        started.process.wait()


def test_its_command_serves_the_registry_and_stops_when_asked_to(
    started: Started, port: int
) -> None:
    until(started.is_healthy)
    content = b"pushed to a container"
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, headers={"X-Forwarded-Proto": "https"}) as client:
        answer = client.get("/v2/")
        assert (answer.status_code, answer.json()) == (200, {})
        assert "server" not in answer.headers
        assert client.get("/v2/", headers={"X-Long": "a" * 2**16}).status_code == 431
        pushed = client.post(f"/v2/a/blobs/uploads/?digest={Digest.of(content)}", content=content)
        assert pushed.status_code == 201
        assert pushed.headers["location"].startswith(f"https://127.0.0.1:{port}/v2/a/blobs/")
        upload = client.post("/v2/a/blobs/uploads/")
    started.process.terminate()
    started.process.wait(20)
    log = started.log()
    assert "operation=CheckVersion repository=- status=200" in log
    assert upload.headers["location"].partition("?")[2] not in log
    assert "Application shutdown complete" in log
    assert "Traceback" not in log


def test_a_missing_setting_ends_it_and_is_named(
    image: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w+b") as log:
        started = Started(image, environment, log)
        assert started.process.wait(60) != 0
        assert "REGISTRY_HTTP_SECRET is missing" in started.log()
