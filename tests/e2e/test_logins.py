"""Clients log in, push, pull and log out, in each mode of authentication.

All other tests here run in mode `none`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import httpx
import pytest
from oras.client import OrasClient  # type: ignore[import-untyped]

from registry_core.serve.azurite import Azurite
from tests.e2e.conftest import CLIENTS, only_nightly
from tests.support import e2e_logins
from tests.support.access_modes import parameters, password
from tests.support.clients import program
from tests.support.e2e_clients import CommandFailed
from tests.support.e2e_doors import ALICE, Door, Doors
from tests.support.e2e_logins import AsksAtOnce, Login, run
from tests.support.images import LayoutImage, noise_image

REFUSED = (
    "(?i)unauthorized|denied|authentication required|invalid username/password"
    "|authorization failed|no basic auth credentials"
)
"""The clients' own messages for wrong credentials."""

MODES = ("htpasswd", "token", "builtin", "personal key")
LOGINS = [
    # Each client by each protocol: Basic, and Bearer tokens of our own token service.
    *product(("htpasswd", "builtin"), CLIENTS),
    ("token", "docker"),
    ("token", "skopeo"),
    ("personal key", "docker"),
]
EVERY_LOGIN = pytest.mark.parametrize(
    "door, name",
    [*LOGINS, *only_nightly(sorted({*product(MODES, CLIENTS)} - {*LOGINS}))],
    indirect=["door"],
)


@pytest.fixture(scope="module")
def doors(azurite: Azurite) -> Iterator[Doors]:
    with ExitStack() as stack:
        yield Doors(azurite, stack)


@pytest.fixture(scope="module")
def door(request: pytest.FixtureRequest, doors: Doors) -> Door:
    """A registry in a mode of authentication."""
    if request.param == "personal key":
        return doors["builtin"].with_a_key("laptop")
    return doors[request.param]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> LayoutImage:
    """Build a small image."""
    return noise_image(tmp_path_factory.mktemp("images") / "small", 1 << 20)


@pytest.fixture
def client(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Login]:
    """Return a client by its name, not logged in."""
    folder = tmp_path_factory.mktemp("c")  # podman wants short paths
    (folder / "auth.json").write_text("{}")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(folder / "auth.json"))

    def make(name: str) -> Login:
        match name:
            case "docker":
                return e2e_logins.docker(request.getfixturevalue("docker_socket"), folder)
            case "ctr":
                return e2e_logins.ctr(request.getfixturevalue("containerd_socket"), folder)
            case "podman":
                return e2e_logins.podman(folder)
        return e2e_logins.skopeo(folder)

    return make


@EVERY_LOGIN
def test_a_client_pushes_and_pulls_between_login_and_logout(
    name: str, client: Callable[[str], Login], door: Door, image: LayoutImage
) -> None:
    """Before and after, it is refused."""
    person, reference = client(name), f"{door.repository()}:latest"
    with pytest.raises(CommandFailed, match=REFUSED):
        person.images.push(image, reference)

    person.log_in(door.registry, ALICE, door.password)
    digest = person.images.push(image, reference)
    pulled = person.images.pull(reference)
    person.log_out(door.registry)

    assert (pulled.digest, pulled.identity) == (digest, image.identity)
    with pytest.raises(CommandFailed, match=REFUSED):
        person.images.pull(reference)


@EVERY_LOGIN
def test_a_client_reports_a_wrong_password(
    name: str, client: Callable[[str], Login], door: Door
) -> None:
    """At login or, for ctr, at the pull."""
    person = client(name)

    with pytest.raises(CommandFailed, match=REFUSED):
        log_in_and_pull(person, door, "not alice's password")
    assert "Traceback" not in door.host.log()


def log_in_and_pull(person: Login, door: Door, password: str) -> None:
    person.log_in(door.registry, ALICE, password)
    person.images.pull(f"{door.repository()}:latest")


@pytest.mark.parametrize("door", MODES, indirect=True)
def test_oras_logs_in(door: Door, tmp_path: Path) -> None:
    """It pushes an artifact and pulls it; with a wrong password it is refused."""
    (tmp_path / "notes.txt").write_text("notes")
    repository = door.repository()

    logged_in = oras_of(door, repository, door.password)
    logged_in.push(
        f"{repository}:v1", files=[str(tmp_path / "notes.txt")], disable_path_validation=True
    )
    [pulled] = logged_in.pull(f"{repository}:v1", outdir=str(tmp_path / "pulled"))

    assert Path(pulled).read_text() == "notes"
    with pytest.raises(ValueError, match=r"(?i)unauthorized"):
        oras_of(door, repository, "not alice's password").pull(f"{repository}:v1")


def oras_of(door: Door, repository: str, password: str) -> OrasClient:
    """Return ORAS's Python library with one token for all: that of a push's challenge."""
    oras = OrasClient(insecure=True, auth_backend="basic" if door.mode == "htpasswd" else "token")
    oras.auth.set_basic_auth(ALICE, password)
    if door.mode != "htpasswd":
        name = repository.split("/", 1)[1]
        refused = httpx.post(f"{door.host.url}/v2/{name}/blobs/uploads/")
        query = parameters(refused.headers["WWW-Authenticate"])
        answer = httpx.get(query.pop("realm"), params=query, auth=(ALICE, password))
        oras.auth.set_token_auth(answer.json().get("token", "none"))
    return oras


@pytest.mark.parametrize("door", MODES, indirect=True)
def test_skopeo_accepts_a_password_on_its_command_line(door: Door, image: LayoutImage) -> None:
    """`--creds`, as CI jobs use it, needs no login."""
    target = f"docker://{door.repository()}:latest"
    credentials = f"{ALICE}:{door.password}"
    skopeo("copy", "--dest-tls-verify=false", f"--dest-creds={credentials}", oci(image), target)

    manifest = skopeo("inspect", "--raw", "--tls-verify=false", f"--creds={credentials}", target)

    assert json.loads(manifest) == image.manifest


def skopeo(*arguments: str) -> str:
    return run(program("skopeo"), "--insecure-policy", *arguments)


def oci(image: LayoutImage) -> str:
    return f"oci:{image.layout}:{image.tag}"


@pytest.mark.parametrize("name", ["docker", "ctr", *only_nightly(["podman", "skopeo"])])
def test_anonymous_clients_pull_public_repositories_only(
    name: str, client: Callable[[str], Login], doors: Doors, image: LayoutImage
) -> None:
    """`public/**` beside private repositories; a push requires a login there as well."""
    door, person = doors["builtin"], client(name)
    public, private = (f"{door.repository(folder)}:latest" for folder in ("public", "team"))
    for reference in (public, private):
        credentials = f"--dest-creds={ALICE}:{door.password}"
        skopeo("copy", "--dest-tls-verify=false", credentials, oci(image), f"docker://{reference}")

    assert person.images.pull(public).identity == image.identity

    with pytest.raises(CommandFailed, match=REFUSED):
        person.images.pull(private)
    with pytest.raises(CommandFailed, match=REFUSED):
        person.images.push(image, f"{door.repository('public')}:latest")


def test_docker_mounts_from_a_repository_that_it_may_read(
    doors: Doors, client: Callable[[str], Login], image: LayoutImage
) -> None:
    """It requests one token for both repositories."""
    door, person = doors["builtin"], client("docker")
    assert isinstance(person, AsksAtOnce)
    source, target = f"{door.repository()}:latest", f"{door.repository()}:latest"
    person.log_in(door.registry, ALICE, door.password)
    person.images.push(image, source)

    run(*person.command, "pull", source)
    run(*person.command, "tag", source, target)
    report = run(*person.command, "push", target)

    assert f"Mounted from {source.split('/', 1)[1].removesuffix(':latest')}" in report


@pytest.mark.parametrize("mode", ["htpasswd", "token", "builtin"])
def test_skopeo_mounts_from_a_repository_that_it_may_read(
    mode: str, doors: Doors, client: Callable[[str], Login], image: LayoutImage
) -> None:
    door, person = doors[mode], client("skopeo")
    source, target = (f"{door.repository()}:latest" for _ in range(2))
    person.log_in(door.registry, ALICE, door.password)
    person.images.push(image, source)

    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    output = skopeo("--debug", "copy", *plain, f"docker://{source}", f"docker://{target}")

    assert "mount OK" in output
    assert person.images.pull(target).identity == image.identity


@pytest.mark.parametrize("name", ["docker", "ctr", *only_nightly(["podman", "skopeo"])])
def test_a_revoked_personal_key_is_refused_at_the_next_pull(
    name: str, client: Callable[[str], Login], doors: Doors, image: LayoutImage
) -> None:
    """Whatever the client stored at login, the key or a token."""
    door, person = doors["builtin"].with_a_key(f"lost-{name}"), client(name)
    reference = f"{door.repository()}:latest"
    person.log_in(door.registry, ALICE, door.password)
    person.images.push(image, reference)
    assert person.images.pull(reference).identity == image.identity

    door.command("auth", "keys", "revoke", f"lost-{name}")

    with pytest.raises(CommandFailed, match=REFUSED):
        person.images.pull(reference)


def test_an_external_issuer_rotates_its_key_while_clients_pull(
    doors: Doors, client: Callable[[str], Login], image: LayoutImage
) -> None:
    """The registry fetches the new key with the first token that is signed with it."""
    door, person = doors["token"], client("skopeo")
    reference = f"{door.repository()}:latest"
    person.log_in(door.registry, ALICE, door.password)
    person.images.push(image, reference)

    assert door.issuer is not None
    door.issuer.keys.rotate()

    assert person.images.pull(reference).identity == image.identity


def test_the_logs_contain_no_password_token_or_key(doors: Doors) -> None:
    """Whether it was right or wrong; and no host fails."""
    secrets = [password(ALICE), "not alice's password"]
    for door in [doors[mode] for mode in ("htpasswd", "token", "builtin")]:
        wrong = httpx.BasicAuth(ALICE, "not alice's password")
        answers = [
            httpx.get(f"{door.host.url}/v2/team/app/tags/list", auth=wrong),
            httpx.get(f"{door.host.url}/v2/", headers={"Authorization": "Bearer eyJh.eyJi.c"}),
            httpx.get(f"{door.host.url}/auth/token", auth=wrong),
        ]
        assert {answer.status_code for answer in answers} <= {401, 404}
        log = door.host.log()

        assert "/v2/" in log
        assert "Traceback" not in log
        assert [secret for secret in secrets if secret in log] == []
        assert re.findall(r"regk_\w+|eyJ[\w-]+\.eyJ|(?:Basic|Bearer) \S+|PRIVATE KEY", log) == []
