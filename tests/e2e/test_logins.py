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
from tests.e2e import logins
from tests.e2e.clients import CommandFailed
from tests.e2e.conftest import CLIENTS, only_nightly
from tests.e2e.images import LayoutImage, noise_image
from tests.e2e.logins import LoginClient, StoringClient, run
from tests.e2e.registries import ALICE, LoginRegistries, LoginRegistry
from tests.support.access_modes import parameters, password
from tests.support.programs import program

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
    "registry, name",
    [*LOGINS, *only_nightly(sorted({*product(MODES, CLIENTS)} - {*LOGINS}))],
    indirect=["registry"],
)


@pytest.fixture(scope="module")
def registries_by_mode(azurite: Azurite) -> Iterator[LoginRegistries]:
    with ExitStack() as stack:
        yield LoginRegistries(azurite, stack)


@pytest.fixture(scope="module")
def registry(request: pytest.FixtureRequest, registries_by_mode: LoginRegistries) -> LoginRegistry:
    """A registry in a mode of authentication."""
    mode: str = request.param
    return registries_by_mode[mode]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> LayoutImage:
    """Build a small image."""
    return noise_image(tmp_path_factory.mktemp("images") / "small", 1 << 20)


@pytest.fixture
def client(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], LoginClient]:
    """Return a client by its name, not logged in."""
    folder = tmp_path_factory.mktemp("c")  # podman wants short paths
    (folder / "auth.json").write_text("{}")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(folder / "auth.json"))

    def make(name: str) -> LoginClient:
        match name:
            case "docker":
                return logins.docker(request.getfixturevalue("docker_socket"), folder)
            case "ctr":
                return logins.ctr(request.getfixturevalue("containerd_socket"), folder)
            case "podman":
                return logins.podman(folder)
        return logins.skopeo(folder)

    return make


@EVERY_LOGIN
def test_a_client_pushes_and_pulls_between_login_and_logout(
    name: str, client: Callable[[str], LoginClient], registry: LoginRegistry, image: LayoutImage
) -> None:
    """Before and after, it is refused."""
    user, reference = client(name), f"{registry.repository()}:latest"
    with pytest.raises(CommandFailed, match=REFUSED):
        user.images.push(image, reference)

    user.log_in(registry.authority, ALICE, registry.password)
    digest = user.images.push(image, reference)
    pulled = user.images.pull(reference)
    user.log_out(registry.authority)

    assert (pulled.digest, pulled.identity) == (digest, image.identity)
    with pytest.raises(CommandFailed, match=REFUSED):
        user.images.pull(reference)


@EVERY_LOGIN
def test_a_client_reports_a_wrong_password(
    name: str, client: Callable[[str], LoginClient], registry: LoginRegistry
) -> None:
    """At login or, for ctr, at the pull."""
    user = client(name)

    with pytest.raises(CommandFailed, match=REFUSED):
        log_in_and_pull(user, registry, "not alice's password")
    assert "Traceback" not in registry.host.log()


def log_in_and_pull(user: LoginClient, registry: LoginRegistry, password: str) -> None:
    user.log_in(registry.authority, ALICE, password)
    user.images.pull(f"{registry.repository()}:latest")


@pytest.mark.parametrize("registry", MODES, indirect=True)
def test_oras_logs_in(registry: LoginRegistry, tmp_path: Path) -> None:
    """It pushes an artifact and pulls it; with a wrong password it is refused."""
    (tmp_path / "notes.txt").write_text("notes")
    repository = registry.repository()

    logged_in = oras_of(registry, repository, registry.password)
    logged_in.push(
        f"{repository}:v1", files=[str(tmp_path / "notes.txt")], disable_path_validation=True
    )
    [pulled] = logged_in.pull(f"{repository}:v1", outdir=str(tmp_path / "pulled"))

    assert Path(pulled).read_text() == "notes"
    with pytest.raises(ValueError, match=r"(?i)unauthorized"):
        oras_of(registry, repository, "not alice's password").pull(f"{repository}:v1")


def oras_of(registry: LoginRegistry, repository: str, password: str) -> OrasClient:
    """Return ORAS's Python library with one token for all: that of a push's challenge."""
    oras = OrasClient(
        insecure=True, auth_backend="basic" if registry.mode == "htpasswd" else "token"
    )
    oras.auth.set_basic_auth(ALICE, password)
    if registry.mode != "htpasswd":
        name = repository.split("/", 1)[1]
        refused = httpx.post(f"{registry.host.url}/v2/{name}/blobs/uploads/")
        query = parameters(refused.headers["WWW-Authenticate"])
        answer = httpx.get(query.pop("realm"), params=query, auth=(ALICE, password))
        oras.auth.set_token_auth(answer.json().get("token", "none"))
    return oras


@pytest.mark.parametrize("registry", MODES, indirect=True)
def test_skopeo_accepts_a_password_on_its_command_line(
    registry: LoginRegistry, image: LayoutImage
) -> None:
    """`--creds`, as CI jobs use it, needs no login."""
    target = f"docker://{registry.repository()}:latest"
    credentials = f"{ALICE}:{registry.password}"
    skopeo("copy", "--dest-tls-verify=false", f"--dest-creds={credentials}", oci(image), target)

    manifest = skopeo("inspect", "--raw", "--tls-verify=false", f"--creds={credentials}", target)

    assert json.loads(manifest) == image.manifest


def skopeo(*arguments: str) -> str:
    return run(program("skopeo"), "--insecure-policy", *arguments)


def oci(image: LayoutImage) -> str:
    return f"oci:{image.layout}:{image.tag}"


@pytest.mark.parametrize("name", ["docker", "ctr", *only_nightly(["podman", "skopeo"])])
def test_anonymous_clients_pull_public_repositories_only(
    name: str,
    client: Callable[[str], LoginClient],
    registries_by_mode: LoginRegistries,
    image: LayoutImage,
) -> None:
    """`public/**` beside private repositories; a push requires a login there as well."""
    registry, user = registries_by_mode["builtin"], client(name)
    public, private = (f"{registry.repository(folder)}:latest" for folder in ("public", "team"))
    for reference in (public, private):
        credentials = f"--dest-creds={ALICE}:{registry.password}"
        skopeo("copy", "--dest-tls-verify=false", credentials, oci(image), f"docker://{reference}")

    assert user.images.pull(public).identity == image.identity

    with pytest.raises(CommandFailed, match=REFUSED):
        user.images.pull(private)
    with pytest.raises(CommandFailed, match=REFUSED):
        user.images.push(image, f"{registry.repository('public')}:latest")


def test_docker_mounts_from_a_repository_that_it_may_read(
    registries_by_mode: LoginRegistries, client: Callable[[str], LoginClient], image: LayoutImage
) -> None:
    """It requests one token for both repositories."""
    registry, user = registries_by_mode["builtin"], client("docker")
    assert isinstance(user, StoringClient)
    source, target = f"{registry.repository()}:latest", f"{registry.repository()}:latest"
    user.log_in(registry.authority, ALICE, registry.password)
    user.images.push(image, source)

    run(*user.command, "pull", source)
    run(*user.command, "tag", source, target)
    report = run(*user.command, "push", target)

    assert f"Mounted from {source.split('/', 1)[1].removesuffix(':latest')}" in report


@pytest.mark.parametrize("mode", ["htpasswd", "token", "builtin"])
def test_skopeo_mounts_from_a_repository_that_it_may_read(
    mode: str,
    registries_by_mode: LoginRegistries,
    client: Callable[[str], LoginClient],
    image: LayoutImage,
) -> None:
    registry, user = registries_by_mode[mode], client("skopeo")
    source, target = (f"{registry.repository()}:latest" for _ in range(2))
    user.log_in(registry.authority, ALICE, registry.password)
    user.images.push(image, source)

    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    output = skopeo("--debug", "copy", *plain, f"docker://{source}", f"docker://{target}")

    assert "mount OK" in output
    assert user.images.pull(target).identity == image.identity


@pytest.mark.parametrize("name", ["docker", "ctr", *only_nightly(["podman", "skopeo"])])
def test_a_revoked_personal_key_is_refused_at_the_next_pull(
    name: str,
    client: Callable[[str], LoginClient],
    registries_by_mode: LoginRegistries,
    image: LayoutImage,
) -> None:
    """Whatever the client stored at login, the key or a token."""
    registry, user = registries_by_mode["builtin"].with_personal_key(f"lost-{name}"), client(name)
    reference = f"{registry.repository()}:latest"
    user.log_in(registry.authority, ALICE, registry.password)
    user.images.push(image, reference)
    assert user.images.pull(reference).identity == image.identity

    registry.command("auth", "keys", "revoke", f"lost-{name}")

    with pytest.raises(CommandFailed, match=REFUSED):
        user.images.pull(reference)


def test_an_external_issuer_rotates_its_key_while_clients_pull(
    registries_by_mode: LoginRegistries, client: Callable[[str], LoginClient], image: LayoutImage
) -> None:
    """The registry fetches the new key with the first token that is signed with it."""
    registry, user = registries_by_mode["token"], client("skopeo")
    reference = f"{registry.repository()}:latest"
    user.log_in(registry.authority, ALICE, registry.password)
    user.images.push(image, reference)

    assert registry.issuer is not None
    registry.issuer.keys.rotate()

    assert user.images.pull(reference).identity == image.identity


def test_the_logs_contain_no_password_token_or_key(registries_by_mode: LoginRegistries) -> None:
    """Whether it was right or wrong; and no host fails."""
    secrets = [password(ALICE), "not alice's password"]
    for registry in [registries_by_mode[mode] for mode in ("htpasswd", "token", "builtin")]:
        wrong = httpx.BasicAuth(ALICE, "not alice's password")
        answers = [
            httpx.get(f"{registry.host.url}/v2/team/app/tags/list", auth=wrong),
            httpx.get(f"{registry.host.url}/v2/", headers={"Authorization": "Bearer eyJh.eyJi.c"}),
            httpx.get(f"{registry.host.url}/auth/token", auth=wrong),
        ]
        assert {answer.status_code for answer in answers} <= {401, 404}
        log = registry.host.log()

        assert "/v2/" in log
        assert "Traceback" not in log
        assert [secret for secret in secrets if secret in log] == []
        assert re.findall(r"regk_\w+|eyJ[\w-]+\.eyJ|(?:Basic|Bearer) \S+|PRIVATE KEY", log) == []
