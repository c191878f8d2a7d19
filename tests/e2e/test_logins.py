"""Clients log in, push, pull and log out, in each mode that asks who they are.

`none` is what all other tests here run with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from oras.client import OrasClient  # type: ignore[import-untyped]

from registry_core.serve.azurite import Azurite
from tests.e2e.conftest import CLIENTS
from tests.support import e2e_logins
from tests.support.access_modes import parameters, password
from tests.support.clients import program
from tests.support.e2e_clients import CommandFailed
from tests.support.e2e_doors import ALICE, Door, Doors
from tests.support.e2e_logins import AsksAtOnce, Login, run
from tests.support.images import LayoutImage, noise_image

TOLD = (
    "(?i)unauthorized|denied|authentication required|invalid username/password"
    "|authorization failed|no basic auth credentials"
)
"""One of the clients' own messages for wrong credentials."""


@pytest.fixture(scope="module")
def doors(azurite: Azurite) -> Iterator[Doors]:
    with ExitStack() as stack:
        yield Doors(azurite, stack)


@pytest.fixture(scope="module", params=["htpasswd", "token", "builtin", "personal key"])
def door(request: pytest.FixtureRequest, doors: Doors) -> Door:
    """A registry in each mode."""
    if request.param == "personal key":
        return doors["builtin"].with_a_key("laptop")
    return doors[request.param]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> LayoutImage:
    """A small one: it is not its content that matters here."""
    return noise_image(tmp_path_factory.mktemp("images") / "small", 1 << 20)


@pytest.fixture
def client(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Login]:
    """Gives the client of a name, which knows nobody."""
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


@pytest.mark.parametrize("name", CLIENTS)
def test_who_logs_in_pushes_and_pulls_until_they_log_out(
    name: str, client: Callable[[str], Login], door: Door, image: LayoutImage
) -> None:
    """Before and after, there is nothing for them."""
    person, reference = client(name), f"{door.repository()}:latest"
    with pytest.raises(CommandFailed, match=TOLD):
        person.images.push(image, reference)

    person.log_in(door.registry, ALICE, door.password)
    digest = person.images.push(image, reference)
    pulled = person.images.pull(reference)
    person.log_out(door.registry)

    assert (pulled.digest, pulled.identity) == (digest, image.identity)
    with pytest.raises(CommandFailed, match=TOLD):
        person.images.pull(reference)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_wrong_password_is_told_in_the_clients_own_words(
    name: str, client: Callable[[str], Login], door: Door
) -> None:
    """At login or, with ctr, at the pull."""
    person = client(name)

    with pytest.raises(CommandFailed, match=TOLD):
        log_in_and_pull(person, door, "not alice's password")
    assert "Traceback" not in door.host.log()


def log_in_and_pull(person: Login, door: Door, password: str) -> None:
    person.log_in(door.registry, ALICE, password)
    person.images.pull(f"{door.repository()}:latest")


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
    """ORAS's Python library, which takes one token for all: for what a push is challenged with."""
    oras = OrasClient(insecure=True, auth_backend="basic" if door.mode == "htpasswd" else "token")
    oras.auth.set_basic_auth(ALICE, password)
    if door.mode != "htpasswd":
        name = repository.split("/", 1)[1]
        refused = httpx.post(f"{door.host.url}/v2/{name}/blobs/uploads/")
        asked = parameters(refused.headers["WWW-Authenticate"])
        answer = httpx.get(asked.pop("realm"), params=asked, auth=(ALICE, password))
        oras.auth.set_token_auth(answer.json().get("token", "none"))
    return oras


def test_skopeo_takes_a_password_on_its_command_line(door: Door, image: LayoutImage) -> None:
    """`--creds`, as CI jobs use it, without a login."""
    target = f"docker://{door.repository()}:latest"
    credentials = f"{ALICE}:{door.password}"
    skopeo("copy", "--dest-tls-verify=false", f"--dest-creds={credentials}", oci(image), target)

    manifest = skopeo("inspect", "--raw", "--tls-verify=false", f"--creds={credentials}", target)

    assert json.loads(manifest) == image.manifest


def skopeo(*arguments: str) -> str:
    return run(program("skopeo"), "--insecure-policy", *arguments)


def oci(image: LayoutImage) -> str:
    return f"oci:{image.layout}:{image.tag}"


@pytest.mark.parametrize("name", CLIENTS)
def test_what_is_public_is_pulled_by_anybody_and_the_rest_by_nobody(
    name: str, client: Callable[[str], Login], doors: Doors, image: LayoutImage
) -> None:
    """`public/**` beside private repositories; a push there wants a login as ever."""
    door, person = doors["builtin"], client(name)
    public, private = (f"{door.repository(folder)}:latest" for folder in ("public", "team"))
    for reference in (public, private):
        credentials = f"--dest-creds={ALICE}:{door.password}"
        skopeo("copy", "--dest-tls-verify=false", credentials, oci(image), f"docker://{reference}")

    assert person.images.pull(public).identity == image.identity

    with pytest.raises(CommandFailed, match=TOLD):
        person.images.pull(private)
    with pytest.raises(CommandFailed, match=TOLD):
        person.images.push(image, f"{door.repository('public')}:latest")


def test_docker_mounts_from_a_repository_that_it_may_read(
    doors: Doors, client: Callable[[str], Login], image: LayoutImage
) -> None:
    """It asks for one token for both repositories."""
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
    told = skopeo("--debug", "copy", *plain, f"docker://{source}", f"docker://{target}")

    assert "mount OK" in told
    assert person.images.pull(target).identity == image.identity


@pytest.mark.parametrize("name", CLIENTS)
def test_a_revoked_personal_key_stops_at_the_next_pull(
    name: str, client: Callable[[str], Login], doors: Doors, image: LayoutImage
) -> None:
    """What a client keeps since its login is worth nothing any more, be it the key or a token."""
    door, person = doors["builtin"].with_a_key(f"lost-{name}"), client(name)
    reference = f"{door.repository()}:latest"
    person.log_in(door.registry, ALICE, door.password)
    person.images.push(image, reference)
    assert person.images.pull(reference).identity == image.identity

    door.command("auth", "keys", "revoke", f"lost-{name}")

    with pytest.raises(CommandFailed, match=TOLD):
        person.images.pull(reference)


def test_the_issuer_elsewhere_rotates_its_key_while_clients_pull(
    doors: Doors, client: Callable[[str], Login], image: LayoutImage
) -> None:
    """The registry fetches the new key when it meets the first token that is signed with it."""
    door, person = doors["token"], client("skopeo")
    reference = f"{door.repository()}:latest"
    person.log_in(door.registry, ALICE, door.password)
    person.images.push(image, reference)

    assert door.issuer is not None
    door.issuer.keys.rotate()

    assert person.images.pull(reference).identity == image.identity


def test_the_logs_tell_no_password_token_or_key(doors: Doors) -> None:
    """Neither of what was right nor of what was wrong, nor does any host fail."""
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
