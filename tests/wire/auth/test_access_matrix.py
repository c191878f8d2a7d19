"""Every request of the API, by every kind of caller, to every kind of repository, in every mode."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from registry_core.app import build_application, build_registry
from registry_core.config import read_settings
from registry_core.object_store.memory import MemoryStore
from registry_core.server.application import HANDLERS
from registry_core.spec import endpoints as e
from registry_core.spec.routes import build
from tests.support.access_modes import (
    ADMIN,
    EXISTING,
    FOREIGN,
    MISSING,
    NEIGHBOUR,
    OWN,
    OWNER,
    PUBLIC,
    URL,
    Mode,
    modes,
    parameters,
)
from tests.support.access_rows import (
    OF_NO_REPOSITORY,
    PULL,
    PUSH,
    ROWS,
    Repository,
    Row,
    endpoints_with_a_row,
)

pytestmark = pytest.mark.anyio

ENVIRONMENT = {
    "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": "AccountName=unused;AccountKey=unused",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
    "REGISTRY_STORAGE_REDIRECT_DISABLE": "true",
    "REGISTRY_STORAGE_CACHE_MEMBERSHIP": "0",
    "REGISTRY_STORAGE_CACHE_MANIFESTS": "0",
    "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
}
MODES = modes()
PEOPLE = [(mode, who) for mode in MODES for who in mode.callers]
OUTSIDERS = [(mode, who) for mode, who in PEOPLE if FOREIGN not in mode.rights(who)]

BEGUN_BY = {OWN: OWNER, FOREIGN: NEIGHBOUR, PUBLIC: ADMIN}
"""The caller who has begun the upload of each repository."""


@dataclass
class Scene:
    """A registry in one mode, whose storage can be reset."""

    mode: Mode
    store: MemoryStore
    client: httpx.AsyncClient
    repositories: dict[str, Repository]

    async def ask(self, who: str, endpoint: e.Endpoint, row: Row | None = None) -> httpx.Response:
        """The answer to somebody's request, in a registry where nothing else was done."""
        body, headers = (row.body, row.headers) if row else (b"", {})
        request = self.client.build_request(
            endpoint.method, build(endpoint), content=body, headers=headers
        )
        if authorization := await self.mode.authorization(self.client, who, request):
            request.headers["Authorization"] = authorization
        with self._unchanged():
            return await self.client.send(request)

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        objects = dict(self.store.objects)
        yield
        self.store.objects.clear()
        self.store.objects.update(objects)
        self.store.staged.clear()


@pytest.fixture(scope="module")
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """A registry in the mode of the test."""
    made = await make_scene(request.param)
    yield made
    await made.client.aclose()


def named(value: Mode | str) -> str:
    return value.name if isinstance(value, Mode) else value


by_everybody = pytest.mark.parametrize("scene, who", PEOPLE, indirect=["scene"], ids=named)
by_outsiders = pytest.mark.parametrize("scene, who", OUTSIDERS, indirect=["scene"], ids=named)


async def make_scene(mode: Mode) -> Scene:
    settings, store = read_settings({**ENVIRONMENT, **mode.environment}), MemoryStore()
    registry = build_registry(settings, store)
    for name in BEGUN_BY:
        await Repository(name).push_to(registry)
    transport = httpx.ASGITransport(build_application(settings, registry))
    client = httpx.AsyncClient(transport=transport, base_url=URL)
    scene = Scene(mode, store, client, {name: Repository(name) for name in BEGUN_BY})
    for name, who in BEGUN_BY.items():
        begun = await scene.ask(who, e.StartUpload(name))
        location = httpx.URL(begun.headers["Location"])
        upload = {"upload_id": begun.headers["Docker-Upload-UUID"]}
        scene.repositories[name] = Repository(name, state=location.params["_state"], **upload)
    return scene


def summary(answer: httpx.Response) -> str:
    """Return the status, and the reason of a refusal."""
    status = answer.status_code
    if status == 401:
        challenge = answer.headers["WWW-Authenticate"]
        error = parameters(challenge).get("error", "")
        return f"401 {challenge.partition(' ')[0]} {error}".strip()
    return str(status)


def expected(mode: Mode, who: str, row: Row, repository: str) -> str:
    """Return the expected `summary`."""
    if not set(row.needs) <= set(mode.rights(who).get(repository, ())):
        return mode.refusal(who)
    is_somebody_elses = mode.environment["REGISTRY_AUTH"] != "none" and who != BEGUN_BY[repository]
    if row.of_upload and is_somebody_elses:
        return "404"
    return str(row.status)


def test_every_endpoint_has_a_row() -> None:
    """A new endpoint needs a row that says what it requires."""
    assert endpoints_with_a_row() == {e.CheckVersion, *HANDLERS}
    of_repositories = {endpoint for endpoint in HANDLERS if hasattr(endpoint, "actions")}
    assert of_repositories | {*OF_NO_REPOSITORY} == {e.CheckVersion, *HANDLERS}


@by_everybody
async def test_each_caller_may_do_what_they_are_allowed_and_nothing_else(
    scene: Scene, who: str
) -> None:
    """All requests to their own, a foreign and a public repository."""
    wanted, seen = {}, {}
    for repository in scene.repositories.values():
        for name, row in ROWS.items():
            cell = f"{name} of {repository.name}"
            wanted[cell] = expected(scene.mode, who, row, repository.name)
            answer = await scene.ask(who, row.endpoint(repository.name, repository), row)
            seen[cell] = summary(answer)

    assert seen == wanted


@by_everybody
async def test_the_version_check_needs_credentials(scene: Scene, who: str) -> None:
    """Clients use it to find out whether they have to log in."""
    answer = await scene.ask(who, e.CheckVersion())

    assert summary(answer) == ("200" if scene.mode.is_known(who) else scene.mode.refusal(who))


@by_everybody
async def test_the_catalog_shows_what_a_caller_may_see(scene: Scene, who: str) -> None:
    """According to the rules; an external issuer grants the whole catalog."""
    answer = await scene.ask(who, e.ListCatalog())

    visible = scene.mode.catalog(who)
    if visible is None:
        assert summary(answer) == scene.mode.refusal(who)
    else:
        assert (answer.status_code, answer.json()) == (200, {"repositories": list(visible)})


@by_outsiders
async def test_a_hidden_repository_looks_as_if_it_did_not_exist(scene: Scene, who: str) -> None:
    """Status, headers and body are the same, except for the name."""
    foreign = scene.repositories[FOREIGN]
    for row in ROWS.values():
        hidden = await scene.ask(who, row.endpoint(FOREIGN, foreign), row)
        missing = await scene.ask(who, row.endpoint(MISSING, foreign), row)

        assert comparable(hidden, FOREIGN) == comparable(missing, MISSING)


def comparable(answer: httpx.Response, name: str) -> tuple[object, ...]:
    headers = [(key, value.replace(name, "NAME")) for key, value in answer.headers.items()]
    return answer.status_code, headers, answer.text.replace(name, "NAME")


@by_everybody
async def test_a_blob_is_mounted_only_from_readable_repositories(scene: Scene, who: str) -> None:
    """From others it must be uploaded, as if it did not exist, also without a named source."""
    mode, rights = scene.mode, scene.mode.rights(who)
    seen, wanted = {}, {}
    for target in scene.repositories:
        for source in (OWN, FOREIGN, PUBLIC, None):
            repository = scene.repositories[source or FOREIGN]
            answer = await scene.ask(who, e.MountBlob(target, repository.blob, source))
            seen[target, source] = summary(answer)
            may_read = reads_all(mode, who) if source is None else PULL in rights.get(source, ())
            may_write = {PULL, PUSH} <= set(rights.get(target, ()))
            done = "201" if may_read else "202"
            wanted[target, source] = done if may_write else mode.refusal(who)

    assert seen == wanted


def reads_all(mode: Mode, who: str) -> bool:
    """Whether a blob may come from any repository. Tokens list repositories, never all."""
    readable = {name for name, actions in mode.rights(who).items() if PULL in actions}
    return mode.challenge != "Bearer" and readable >= set(EXISTING)
