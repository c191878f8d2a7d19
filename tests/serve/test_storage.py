"""Unless storage is configured, the local server brings it along: Azurite, and a secret."""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from registry_core.serve.data import DataError, http_secret
from registry_core.serve.listen import is_loopback, listen_tcp
from registry_core.serve.run import default_settings
from tests.support.azurite import container_client
from tests.support.host import PROJECT, RunningHost, start_host, start_process

from .sample import SAMPLE

CONNECTION_STRING = "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING"
CONTAINER = "REGISTRY_STORAGE_AZURE_CONTAINER"
SECRET = "REGISTRY_HTTP_SECRET"
REDIRECT_DISABLE = "REGISTRY_STORAGE_REDIRECT_DISABLE"


def start(data: Path, **environment: str) -> RunningHost:
    """Start a server of the sample application, with an Azurite of its own."""
    return start_host(environment, arguments=["--data", str(data)], module=SAMPLE)


def environment_of(host: RunningHost) -> dict[str, str]:
    answer: dict[str, str] = httpx.get(f"{host.url}/environment").json()
    return answer


def container_of(host: RunningHost) -> ContainerClient:
    environment = environment_of(host)
    return ContainerClient.from_connection_string(
        environment[CONNECTION_STRING], environment[CONTAINER]
    )


def test_it_starts_azurite_with_a_container_and_keeps_data_and_secret(tmp_path: Path) -> None:
    """Over a clean stop, a restart, and a kill without warning."""
    secrets = set()
    ends: list[Callable[[RunningHost], object]] = [RunningHost.stop, RunningHost.kill]
    for run, end in enumerate([*ends, RunningHost.stop]):
        with start(tmp_path) as host:
            assert f"(data in {tmp_path}/azurite)" in host.log()
            secrets.add(environment_of(host)[SECRET])
            with container_of(host) as container:
                container.upload_blob(f"run-{run}", os.urandom(1000))
                assert len(list(container.list_blobs())) == run + 1
            end(host)
    assert secrets == {(tmp_path / "http-secret").read_text().strip()}


def test_what_is_set_stays_as_it_is(tmp_path: Path) -> None:
    settings = {CONTAINER: "another", SECRET: "a secret that was chosen"}
    with start(tmp_path, **settings) as host, container_of(host) as container:
        assert environment_of(host).items() >= settings.items()
        assert container.exists()
        assert not (tmp_path / "http-secret").exists()


def test_a_second_server_on_the_same_data_says_how_to_share(tmp_path: Path) -> None:
    with start(tmp_path) as host:
        connection_string = environment_of(host)[CONNECTION_STRING]
        arguments = ["--port", "0", "--data", str(tmp_path)]
        second = start_process({}, arguments=arguments, module=SAMPLE)
        assert second.wait() == 1
        assert second.log() == (
            f"registry: another local server runs its Azurite on {tmp_path}/azurite: share it by "
            f"setting {CONNECTION_STRING}='{connection_string}' and {CONTAINER} to the same, "
            "or choose another folder with --data\n"
        )
        shared = start(tmp_path, **{CONNECTION_STRING: connection_string, CONTAINER: "registry"})
        with shared, container_of(shared) as container:
            assert container.exists()
            assert environment_of(shared)[SECRET] == environment_of(host)[SECRET]


def test_a_stop_while_azurite_starts_leaves_nothing_running(tmp_path: Path) -> None:
    host = start_process({}, arguments=["--port", "0", "--data", str(tmp_path)], module=SAMPLE)
    while not (tmp_path / "azurite" / "azurite.log").exists():
        assert host.is_running(), host.log()
    host.send(signal.SIGTERM)
    assert host.wait() == 0
    assert not any(str(tmp_path) in command for command in commands_running())


def commands_running() -> list[str]:
    commands = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(process.read_text(errors="replace"))
        except OSError:
            continue  # it ended meanwhile
    return commands


def test_only_its_owner_can_read_the_data_and_use_azurite(tmp_path: Path) -> None:
    """Whatever earlier versions left: an open folder, and a lock that everybody can read."""
    (tmp_path / "azurite").mkdir(mode=0o755)
    (tmp_path / "azurite.lock").touch(mode=0o644)
    with start(tmp_path) as host:
        with container_of(host) as container:
            url = container.primary_endpoint
        with (
            ContainerClient.from_container_url(
                url, {"account_name": ACCOUNT, "account_key": KEY}
            ) as container,
            pytest.raises(HttpResponseError, match="AuthorizationFailure"),
        ):
            container.upload_blob("past-the-rules", b"x")
        assert {path.name for path in tmp_path.iterdir() if path.stat().st_mode & 0o077} == set()
        assert {path.name for path in tmp_path.iterdir()} >= {"azurite", "azurite.lock"}


def test_data_of_an_azurite_with_the_public_key_is_still_served(tmp_path: Path) -> None:
    """As earlier versions ran it."""
    with Azurite(tmp_path / "azurite") as azurite:
        azurite.create_container("registry")
        with container_client(azurite, "registry") as container:
            container.upload_blob("kept", b"for ever")
    with start(tmp_path) as host, container_of(host) as container:
        assert container.download_blob("kept").readall() == b"for ever"


def test_the_doctor_examines_the_data_of_a_running_server_as_its_page_says(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "doctor.md").read_text()
    settings = "\n".join(re.findall(r"^export .*$", page, re.MULTILINE))
    assert CONNECTION_STRING in settings
    script = settings.replace(".local/", f"{shlex.quote(str(tmp_path))}/")
    with start(tmp_path):
        doctor = subprocess.run(
            ["sh", "-c", f"{script}\n{shlex.quote(sys.executable)} -m registry_core doctor"],
            capture_output=True,
            text=True,
            check=False,
            cwd=PROJECT,
        )
    assert (doctor.returncode, doctor.stderr) == (0, "")


def test_only_its_owner_can_read_the_secret(tmp_path: Path) -> None:
    secret = http_secret(tmp_path / "new" / "folder")
    (path,) = (tmp_path / "new" / "folder").iterdir()
    assert path.name == "http-secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(secret) >= 64


def test_servers_that_start_at_the_same_time_agree_on_a_secret(tmp_path: Path) -> None:
    hosts = 16
    together = threading.Barrier(hosts)

    def start_one(_: int) -> str:
        together.wait(20)
        return http_secret(tmp_path)

    with ThreadPoolExecutor(hosts) as pool:
        assert len(set(pool.map(start_one, range(hosts)))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["http-secret"]


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "http-secret").touch()
    with pytest.raises(DataError, match="is empty; remove it to have a new secret generated"):
        http_secret(tmp_path)


def test_clients_on_other_machines_are_not_redirected_to_azurite(tmp_path: Path) -> None:
    azurite = Azurite(tmp_path)

    def redirect_disable(*, local_only: bool, **environ: str) -> str | None:
        return default_settings(environ, data=tmp_path, azurite=azurite, local_only=local_only).get(
            REDIRECT_DISABLE
        )

    assert redirect_disable(local_only=False) == "true"
    assert redirect_disable(local_only=True) is None
    assert redirect_disable(local_only=False, **{REDIRECT_DISABLE: "false"}) is None
    configured = default_settings({}, data=tmp_path, azurite=None, local_only=False)
    assert configured.keys() == {SECRET}


@pytest.mark.parametrize(
    "address, url, local_only",
    [
        ("127.0.0.1", "http://127.0.0.1", True),
        ("::1", "http://[::1]", True),
        ("0.0.0.0", "http://127.0.0.1", False),
        ("::", "http://[::1]", False),
    ],
)
def test_an_address_has_a_url_and_is_local_or_not(
    address: str, url: str, local_only: object
) -> None:
    listener = listen_tcp(address, 0)
    port = listener.socket.getsockname()[1]
    assert (listener.url, listener.local_only) == (f"{url}:{port}", local_only)
    listener.close()


def test_loopback_is_recognized_in_every_notation() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]))
    assert not any(map(is_loopback, ["10.0.0.1", "0.0.0.0", "::", "fe80::1", "::ffff:10.0.0.1"]))
