"""Settings of storage, and registries, for commands."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_core.serve.azurite import Azurite
from tests.support.access_modes import htpasswd

from .commands import CONTAINER
from .registries import RULES, Running, Shell, start


@pytest.fixture
def settings(azurite: Azurite, container_name: str) -> dict[str, str]:
    """Settings of storage alone, without a secret."""
    return {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        CONTAINER: container_name,
    }


@pytest.fixture(scope="session")
def source(azurite: Azurite) -> Iterator[Running]:
    yield from start(azurite)


@pytest.fixture(scope="session")
def target(azurite: Azurite) -> Iterator[Running]:
    yield from start(azurite)


@pytest.fixture(scope="session")
def private(azurite: Azurite) -> Iterator[Running]:
    """A registry with logins: alice may push to team/, bob may not."""
    users = {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_PATH": htpasswd(["alice", "bob"]),
        "REGISTRY_AUTH_RULES": RULES,
    }
    yield from start(azurite, **users)


@pytest.fixture
def repository() -> str:
    """A repository that no other test uses."""
    return f"team/{uuid.uuid4().hex}"


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of docker's logins, which does not exist yet."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)
