"""What goes wrong with `copy`: exit codes, one line that says what it was, and what is left."""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
from pathlib import Path

import pytest

from registry_core.client.options import Retries
from tests.support.access_modes import password
from tests.support.content import random_bytes
from tests.support.eventually import until
from tests.support.gated_registry import GatedRegistry
from tests.support.secure_azurite import Trust
from tests.support.tls_front import tls_in_front_of

from .commands import COMMAND, environment
from .registries import DIGEST, Running, Shell

pytestmark = [pytest.mark.hosts, pytest.mark.usefixtures("docker_config")]


def test_what_does_not_exist_is_named(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    location = source.push(repository, "v1")
    copy = f"{target.authority}/{repository}"
    for named, what in ((f"{location}:lost", "lost"), (f"{location}/none:v1", "v1")):
        said = shell.fails("copy", named, copy, code=1)
        repository = named.removesuffix(f":{what}")
        assert said.startswith(f"{repository} does not have the manifest {what}")
    assert shell.fails("copy", "oci:missing", copy, code=1) == "missing: No such file or directory"


def test_a_registry_that_cannot_be_reached_is_named(
    target: Running, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one attempt here; there are several otherwise."""
    monkeypatch.setattr(Retries.__init__, "__defaults__", (1, 0.0, 0.0, 0.0))
    copy = f"{target.authority}/team/app"
    refused = shell.fails("copy", "127.0.0.1:9/app:v1", copy, code=3)
    assert refused.startswith("http://127.0.0.1:9 cannot be reached")
    unknown = shell.fails("copy", "nowhere.invalid/app:v1", copy, code=3)
    assert "https://nowhere.invalid" in unknown


def test_wrong_passwords_and_missing_rights_are_denied_access(
    source: Running, private: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{private.authority}/{repository}"
    said = [
        shell.fails("copy", image, copy, code=3),
        shell.fails("copy", "--dest-creds=alice:not-this-one", image, copy, code=3),
        shell.fails("copy", f"--dest-creds=bob:{password('bob')}", image, copy, code=3),
    ]
    assert all(private.authority in line for line in said), said
    assert "not-this-one" not in said[1]
    assert password("bob") not in said[2]
    assert private.digest(repository) is None


def test_a_password_comes_from_the_options_or_dockers_configuration(
    source: Running, private: Running, repository: str, shell: Shell, docker_config: Path
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{private.authority}/{repository}"
    secret = password("alice")
    shell.run("copy", f"--dest-creds=alice:{secret}", image, f"{copy}:a")
    auth = base64.b64encode(f"alice:{secret}".encode()).decode()
    docker_config.write_text(json.dumps({"auths": {private.authority: {"auth": auth}}}))
    shell.run("copy", image, f"{copy}:b")
    assert private.digest(repository, "a") == private.digest(repository, "b") == DIGEST
    shell.fails("copy", "--dest-no-creds", image, f"{copy}:c", code=3)


def test_a_password_comes_from_standard_input(
    source: Running,
    private: Running,
    repository: str,
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{private.authority}/{repository}"
    secret = password("alice")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{secret}\n".encode())))
    shell.run("copy", "--dest-creds=alice", "--dest-password-stdin", image, copy)
    assert private.digest(repository) == DIGEST


def test_an_unknown_authority_is_not_trusted_unless_the_options_say_so(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    source.push(repository, "v1")
    trust = Trust(tmp_path / "trust")
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "ca.crt").write_text(trust.certificate.read_text())
    copy = f"{target.authority}/{repository}"
    with tls_in_front_of(source.host.port, trust) as front:
        image = f"{front}/{repository}:v1"
        said = shell.fails("copy", image, copy, code=3)
        assert f"the certificate of https://{front} is not trusted" in said
        shell.run("copy", "--src-ca", str(trust.certificate), image, f"{copy}:a")
        shell.run("copy", "--src-cert-dir", str(folder), image, f"{copy}:b")
        shell.run("copy", "--src-tls-verify=false", image, f"{copy}:c")
    assert {target.digest(repository, tag) for tag in "abc"} == {DIGEST}


def test_certificates_that_are_missing_are_wrong_options(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{target.authority}/{repository}"
    for option, said in (
        (f"--src-ca={tmp_path}/none.pem", "none.pem is not a file of certificates"),
        (f"--dest-cert-dir={tmp_path}/none", "none is not a folder"),
        (f"--dest-cert-dir={tmp_path}", "has no certificates: *.crt of authorities"),
    ):
        assert said in shell.fails("copy", option, image, copy, code=2)


def test_http_elsewhere_than_on_loopback_needs_an_option(target: Running, shell: Shell) -> None:
    copy = f"{target.authority}/team/app"
    said = shell.fails("copy", "http://registry.invalid/app:v1", copy, code=2)
    assert "http://registry.invalid is not encrypted" in said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_is_interrupted_leaves_no_tag_and_goes_on_where_it_stopped(
    how: signal.Signals, target: Running, repository: str, shell: Shell
) -> None:
    """Ctrl-C and SIGTERM leave no upload either."""
    small, large = random_bytes(100_000, 1), random_bytes(20 * 2**20, int(how))
    copy = f"{target.authority}/{repository}"

    with GatedRegistry(small, large) as gated:
        arguments = ("copy", "--parallel=2", f"{gated.authority}/app:v1", copy)
        with subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment({}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert gated.half_sent.wait(60)
            until(lambda: bool(target.uploads(repository)))
            process.send_signal(how)
            out, err = process.communicate(timeout=60)
        assert out == ""
        if how is not signal.SIGKILL:
            assert (process.returncode, err) == (130, "registry: interrupted\n")
            assert target.uploads(repository) == []
        assert target.digest(repository) is None
        gated.gate.set()
        shell.run(*arguments)
        assert target.digest(repository) == gated.digest
        assert gated.requests[gated.small] == 1
        assert gated.requests[gated.large] == 2
