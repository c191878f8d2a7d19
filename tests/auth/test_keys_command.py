"""`python -m registry_core auth keys`, with a real container."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from registry_core.cli.main import main
from registry_core.serve.azurite import Azurite
from registry_core.storage.layout import Layout
from tests.support.azurite import container_client


@pytest.fixture
def container(azurite: Azurite, container_name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of an operator, with the settings of storage and no others."""
    for name, value in {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container_name,
        "REGISTRY_AUTH": "builtin",
        "REGISTRY_AUTH_BUILTIN_SERVICE": "registry",
    }.items():
        monkeypatch.setenv(name, value)
    return container_name


def run(*arguments: str) -> int:
    return main(["auth", "keys", *arguments])


def test_a_key_is_created_printed_once_listed_and_revoked(
    azurite: Azurite, container: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only its hash is stored."""
    scope = "repository:team/**:pull"
    assert run("create", "--name", "ci", "--user", "alice", "--scope", scope) == 0
    key = capsys.readouterr().out.strip()
    assert key.startswith("regk_ci_")
    with container_client(azurite, container) as client:
        [path] = client.list_blob_names()
        assert path == Layout().personal_key("ci")
        assert key.rpartition("_")[2] not in client.download_blob(path).readall().decode()
    assert run("list") == 0
    listed = capsys.readouterr().out.splitlines()[1].split()
    assert (listed[0], listed[1], listed[-1]) == ("ci", "alice", scope)
    assert listed[4] == (datetime.now(UTC) + timedelta(days=90)).strftime("%Y-%m-%d")
    assert run("create", "--name", "ci") == 1
    assert run("revoke", "ci") == 0
    assert run("revoke", "ci") == 1
    assert capsys.readouterr().err.splitlines()[-1] == "registry: key 'ci' does not exist"


def test_keys_are_stored_below_the_root_of_the_registry(azurite: Azurite, container: str) -> None:
    """Also in a container whose names begin with a slash."""
    with container_client(azurite, container) as client:
        client.upload_blob("/docker/registry/v2/repositories/a/_uploads/x/data", b"")
        assert run("create", "--name", "ci") == 0
        assert Layout("/").personal_key("ci") in set(client.list_blob_names())


@pytest.mark.parametrize("expires", ["", "0d", "90", "9999999d", "2020-01-01", "2027-13-01"])
def test_the_expiry_must_be_in_the_future(expires: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("create", "--name", "ci", "--expires", expires)
    assert "--expires" in capsys.readouterr().err


def test_a_malformed_scope_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("create", "--name", "ci", "--scope", "team/**")
    assert "is not a scope" in capsys.readouterr().err


def test_a_missing_storage_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REGISTRY_STORAGE_AZURE_CONTAINER", raising=False)
    assert run("list") == 2
    assert "REGISTRY_STORAGE_AZURE_CONTAINER" in capsys.readouterr().err
