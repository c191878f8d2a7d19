"""A registry without authentication is served to other machines only if that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_core.app import asgi_from_environment
from registry_core.auth.sources.htpasswd import htpasswd_line
from registry_core.config import AUTH, BUILTIN_SIGNINGKEY, HTTP_SECRET
from registry_core.serve.run import default_settings
from tests.support.host import start_process

from .sample import CONFIGURED, SAMPLE, start_sample

USERS = {
    "REGISTRY_AUTH": "htpasswd",
    "REGISTRY_AUTH_HTPASSWD_PATH": htpasswd_line("alice", "secret", 4),
}


@pytest.mark.parametrize("mode", [{}, {"REGISTRY_AUTH": "None"}])
@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_other_machines_are_not_served_without_authentication(
    address: str, mode: dict[str, str]
) -> None:
    """The server ends with exit code 2, before it starts anything else."""
    host = start_process(
        {**CONFIGURED, **mode}, arguments=["--host", address, "--port", "0"], module=SAMPLE
    )
    assert host.wait() == 2
    assert host.log() == (
        f"registry: REGISTRY_AUTH is none: everybody who reaches {address} could push, pull and "
        "delete; select a mode of authentication, or permit it with --allow-anonymous\n"
    )


@pytest.mark.parametrize(
    "arguments, environment", [(["--allow-anonymous"], {}), ([], USERS)], ids=["option", "users"]
)
def test_they_are_served_with_authentication_or_if_that_is_asked_for(
    arguments: list[str], environment: dict[str, str]
) -> None:
    with start_sample("--host", "0.0.0.0", *arguments, environment=environment) as host:
        assert host.stop() == 0


def test_what_is_set_but_blank_is_not_generated(tmp_path: Path) -> None:
    """It stops the start, as it does anywhere."""
    blank = {HTTP_SECRET: "", AUTH: "builtin", BUILTIN_SIGNINGKEY: ""}
    assert default_settings(blank, data=tmp_path, azurite=None, local_only=True) == {}
    host = start_process({**CONFIGURED, **blank}, arguments=["--port", "0"])
    assert host.wait() == 2
    lines = host.log().splitlines()
    assert [line.split()[1] for line in lines] == [BUILTIN_SIGNINGKEY, HTTP_SECRET]


@pytest.mark.parametrize("environment, warned", [({}, True), (USERS, False)])
def test_another_server_is_warned_of_a_registry_without_authentication(
    environment: dict[str, str],
    warned: object,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The registry does not know which address that listens on."""
    for name, text in {**CONFIGURED, **environment}.items():
        monkeypatch.setenv(name, text)
    asgi_from_environment()
    warning = "REGISTRY_AUTH is none: everybody who reaches the registry may push and delete"
    assert (warning in caplog.messages) == warned
