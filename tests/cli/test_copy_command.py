"""`copy` and `sync` between registries of ours on Azurite, as people and scripts run them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import signal
import subprocess
import tarfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from registry_core.cli.main import main
from registry_core.client.options import Retries
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.access_modes import htpasswd, password
from tests.support.azurite import container_client, create_container, opened
from tests.support.content import image_manifest, push_image, random_bytes
from tests.support.gated_registry import GatedRegistry
from tests.support.host import RunningHost
from tests.support.hosts import LOCAL, registry_under
from tests.support.secure_azurite import Trust
from tests.support.tls_front import tls_in_front_of

from .commands import COMMAND, environment, run_on_terminal

pytestmark = pytest.mark.hosts

T = TypeVar("T")
LAYER = b"a layer"
DIGEST = Digest.of(image_manifest(LAYER))
RULES = """
[[rule]]
who = ["user:alice"]
may = ["pull", "push"]
on = ["team/**"]

[[rule]]
who = ["user:bob"]
may = ["pull"]
on = ["team/**"]
"""


@dataclass(frozen=True)
class Running:
    """A registry, and direct access to what it has."""

    host: RunningHost
    azurite: Azurite
    container: str

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.host.port}"

    def on_storage(self, work: Callable[[StoredRegistry], Awaitable[T]]) -> T:
        async def on_storage() -> T:
            async with opened(self.azurite, self.container) as store:
                return await work(StoredRegistry(store))

        return asyncio.run(on_storage())

    def push(self, repository: str, *tags: str, layer: bytes = LAYER) -> str:
        """Push an image under tags; return its repository as a location."""

        async def push(registry: StoredRegistry) -> None:
            for tag in tags:
                await push_image(registry, repository, tag, [layer])

        self.on_storage(push)
        return f"{self.authority}/{repository}"

    def digest(self, repository: str, tag: str = "v1") -> Digest | None:
        """Return what a tag points to; None if it does not exist."""

        async def digest(registry: StoredRegistry) -> Digest | None:
            try:
                return (await registry.resolve_manifest(repository, tag)).digest
            except ManifestUnknown:
                return None

        return self.on_storage(digest)

    def uploads(self) -> list[str]:
        """Return what there is of uploads, staged blocks included."""
        with container_client(self.azurite, self.container) as client:
            blobs = client.list_blobs(
                name_starts_with=f"{Layout().base}_uploads/", include=["uncommittedblobs"]
            )
            return [blob.name for blob in blobs]


def start(azurite: Azurite, **settings: str) -> Iterator[Running]:
    container = create_container(azurite)
    storage = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container,
        "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
    }
    with registry_under(LOCAL, storage | settings) as host:
        yield Running(host, azurite, container)


@pytest.fixture(scope="module")
def source(azurite: Azurite) -> Iterator[Running]:
    yield from start(azurite)


@pytest.fixture(scope="module")
def target(azurite: Azurite) -> Iterator[Running]:
    yield from start(azurite)


@pytest.fixture(scope="module")
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


@dataclass(frozen=True)
class Shell:
    """Runs commands in this process."""

    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> str:
        """Run a command that succeeds without a word on standard error; return its output."""
        code, out, err = self.outcome(*arguments)
        assert (code, err) == (0, "")
        return out

    def outcome(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main(arguments)
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err

    def fails(self, *arguments: str, code: int) -> str:
        """Run a command that fails; return the one line that it prints."""
        found, out, err = self.outcome(*arguments)
        assert (found, out, err.count("\n")) == (code, "", 1), err
        return err.removeprefix("registry: ").rstrip("\n")


@pytest.fixture(autouse=True)
def _no_logins(docker_config: Path) -> None:
    """The developer's own logins are not used."""


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def test_an_image_is_copied_and_a_second_time_it_is_there(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{target.authority}/{repository}"
    assert shell.run("copy", image, copy).splitlines() == [
        f"{copy}:v1 points to {DIGEST}",
        "manifests 1 copied (410 bytes); blobs 2 copied (44 bytes)",
    ]
    assert target.digest(repository) == DIGEST
    assert shell.run("copy", image, copy).splitlines()[0] == (
        f"{copy}:v1 points to {DIGEST}, as before"
    )


def test_the_report_is_a_document(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{target.authority}/{repository}:v2"
    report = json.loads(shell.run("copy", "--json", image, copy))
    assert report["tags"] == {"v2": str(DIGEST)}
    assert report["blobs"]["copied"] == {"number": 2, "bytes": 44}
    assert target.digest(repository, "v2") == DIGEST


def test_a_dry_run_reports_and_writes_nothing(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{target.authority}/{repository}"
    printed = shell.run("copy", "--dry-run", image, copy)
    assert f"{copy}:v1 would point to {DIGEST}" in printed
    assert "dry run, nothing is written: manifests 1 copied" in printed
    assert target.digest(repository) is None


def test_within_a_registry_blobs_are_mounted(
    source: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    printed = shell.run("copy", image, f"{source.authority}/{repository}/copy")
    assert "blobs 2 mounted" in printed
    assert source.digest(f"{repository}/copy") == DIGEST


def test_a_manifest_is_copied_by_its_digest_without_a_tag_or_with_one(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}@{DIGEST}"
    copy = f"{target.authority}/{repository}"
    assert shell.run("copy", image, copy).startswith(f"{copy}@{DIGEST}\n")
    assert target.digest(repository) is None
    shell.run("copy", image, f"{copy}:v3")
    assert target.digest(repository, "v3") == DIGEST


def test_all_tags_are_copied_and_one_that_fails_stops_no_other(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    location = source.push(repository, "v1", "v2")
    source.push(repository, "broken", layer=b"lost")
    lost = Digest.of(image_manifest(b"lost"))
    with container_client(source.azurite, source.container) as client:
        client.delete_blob(Layout().content(lost))
    copy = f"{target.authority}/{repository}"
    code, out, err = shell.outcome("copy", "--all-tags", location, copy)
    assert code == 1
    assert f"{copy}:v1 points to {DIGEST}\n{copy}:v2 points to {DIGEST}\n" in out
    assert err.startswith(f"registry: {copy}:broken was not copied: ")
    assert err.count("\n") == 1


def test_what_a_manifest_of_the_target_lacks_is_found_with_recheck(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{target.authority}/{repository}"
    shell.run("copy", image, copy)
    layer = f"http://{target.authority}/v2/{repository}/blobs/{Digest.of(LAYER)}"
    httpx.delete(layer).raise_for_status()
    assert "copied" not in shell.run("copy", image, copy)
    assert "blobs 1 copied (7 bytes), 1 already there" in shell.run(
        "copy", "--recheck", image, copy
    )
    httpx.head(layer).raise_for_status()


def test_through_a_layout_and_an_archive_the_digest_stays(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    layout, archive = f"oci:{tmp_path}/layout", f"oci-archive:{tmp_path}/image.tar"
    shell.run("copy", image, layout)
    shell.run("copy", layout, archive)
    shell.run("copy", f"{archive}:v1", f"{target.authority}/{repository}")
    assert target.digest(repository) == DIGEST


def test_a_docker_archive_names_the_image_that_was_copied(
    source: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    shell.run("copy", image, f"docker-archive:{tmp_path}/image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        listed = archive.extractfile("manifest.json")
        assert listed is not None
        assert json.load(listed)[0]["RepoTags"] == [image]


def test_an_archive_goes_to_standard_output_and_the_report_elsewhere(
    source: Running, repository: str
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    ran = subprocess.run(
        [*COMMAND, "copy", image, "oci-archive:-"],
        env=environment({}),
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        assert "index.json" in archive.getnames()
    assert f"points to {DIGEST}" in ran.stderr.decode()


def test_progress_is_shown_on_a_terminal_unless_it_should_be_quiet(
    source: Running, target: Running, repository: str
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    printed, drawn = run_on_terminal({}, "copy", image, f"{target.authority}/{repository}/a")
    assert repository in drawn
    assert str(DIGEST) in printed
    quiet = ("copy", "--quiet", image, f"{target.authority}/{repository}/b")
    assert run_on_terminal({}, *quiet)[1] == ""


# What goes wrong: exit codes, and one line that says what it was.


def test_what_does_not_exist_is_named(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    location = source.push(repository, "v1")
    copy = f"{target.authority}/{repository}"
    assert shell.fails("copy", f"{location}:lost", copy, code=1) == (
        f"{location} does not have the manifest lost"
    )
    assert shell.fails("copy", f"{location}/none:v1", copy, code=1) == (
        f"{location}/none does not have the manifest v1"
    )
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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_is_interrupted_leaves_no_tag_and_goes_on_where_it_stopped(
    how: signal.Signals, target: Running, repository: str, shell: Shell
) -> None:
    """Ctrl-C leaves no upload either."""
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
            process.send_signal(how)
            out, err = process.communicate(timeout=60)
        assert out == ""
        if how is signal.SIGINT:
            assert (process.returncode, err) == (130, "registry: interrupted\n")
            assert target.uploads() == []
        assert target.digest(repository) is None
        gated.gate.set()
        shell.run(*arguments)
        assert target.digest(repository) == gated.digest
        assert gated.requests[gated.small] == 1
        assert gated.requests[gated.large] == 2


def test_a_document_is_carried_out_and_a_second_run_copies_nothing(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    location = source.push(repository, "v1", "v2", "latest")
    copy = f"{target.authority}/{repository}"
    file = tmp_path / "sync.toml"
    file.write_text(
        f'[[sync]]\nsource = "{location}"\ntarget = "{copy}"\ntags = ["v*"]\n'
        f'[[sync]]\nsource = "{location}:v1"\ntarget = "{copy}/one"\n'
    )
    assert "tags 2 set, 0 as before" in shell.run("sync", "--dry-run", str(file))
    assert target.digest(repository) is None
    first, second = shell.run("sync", str(file)).splitlines()
    assert first == (
        f"{location} -> {copy}: tags 2 set, 0 as before; "
        "manifests 1 copied (410 bytes); blobs 2 copied (44 bytes)"
    )
    assert second == (
        f"{location}:v1 -> {copy}/one: tags 1 set, 0 as before; "
        "manifests 1 copied (410 bytes); blobs 2 mounted"
    )
    assert target.digest(repository, "v2") == target.digest(f"{repository}/one") == DIGEST
    assert target.digest(repository, "latest") is None
    for line in shell.run("sync", str(file)).splitlines():
        assert "tags 0 set" in line
        assert "copied" not in line
    document = json.loads(shell.run("sync", "--json", str(file)))
    assert [entry["line"] for entry in document["entries"]] == [1, 5]


def test_an_entry_that_fails_is_reported_and_the_others_are_copied(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    location = source.push(repository, "v1")
    copy = f"{target.authority}/{repository}"
    file = tmp_path / "sync.toml"
    file.write_text(
        f'[[sync]]\nsource = "{location}:lost"\ntarget = "{copy}"\n'
        f'[[sync]]\nsource = "{location}:v1"\ntarget = "{copy}"\n'
    )
    code, out, err = shell.outcome("sync", str(file))
    assert code == 1
    assert err.splitlines() == [
        f"registry: line 1: {location}:lost: {location} does not have the manifest lost",
        "registry: 1 of 2 entries could not be copied completely",
    ]
    assert target.digest(repository) == DIGEST
    assert f"{location}:v1 -> {copy}: tags 1 set" in out


def test_the_logins_of_a_document_are_used(
    source: Running, private: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    location = source.push(repository, "v1")
    secret = tmp_path / "password"
    secret.write_text(password("alice"))
    file = tmp_path / "sync.toml"
    file.write_text(
        f'[[sync]]\nsource = "{location}:v1"\ntarget = "{private.authority}/{repository}"\n'
        f'[registries."{private.authority}"]\nusername = "alice"\npassword_file = "{secret}"\n'
    )
    shell.run("sync", str(file))
    assert private.digest(repository) == DIGEST
