"""Every request of the API, by everybody, to every repository, in every mode: expected and seen."""

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
    "REGISTRY_HTTP_SECRET": "a secret for tests, long enough",
}
MODES = modes()
PEOPLE = [(mode, who) for mode in MODES for who in mode.callers]
OUTSIDERS = [(mode, who) for mode, who in PEOPLE if FOREIGN not in mode.rights(who)]

BEGUN_BY = {OWN: OWNER, FOREIGN: NEIGHBOUR, PUBLIC: ADMIN}
"""Who has begun the upload of each repository."""


@dataclass
class Scene:
    """A registry in one mode, whose storage can be put back to how it was."""

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
    """A registry in the mode that a test names."""
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
    """Status, and what a refusal tells of why."""
    status = answer.status_code
    if status == 401:
        challenge = answer.headers["WWW-Authenticate"]
        error = parameters(challenge).get("error", "")
        return f"401 {challenge.partition(' ')[0]} {error}".strip()
    return str(status)


def expected(mode: Mode, who: str, row: Row, repository: str) -> str:
    """What `summary` is to be."""
    if not set(row.needs) <= set(mode.rights(who).get(repository, ())):
        return mode.refusal(who)
    is_somebody_elses = mode.environment["REGISTRY_AUTH"] != "none" and who != BEGUN_BY[repository]
    if row.of_upload and is_somebody_elses:
        return "404"
    return str(row.status)


def test_every_endpoint_has_a_row() -> None:
    """Who adds an endpoint says here what it needs."""
    assert endpoints_with_a_row() == {e.CheckVersion, *HANDLERS}
    of_repositories = {endpoint for endpoint in HANDLERS if hasattr(endpoint, "actions")}
    assert of_repositories | {*OF_NO_REPOSITORY} == {e.CheckVersion, *HANDLERS}


@by_everybody
async def test_each_may_do_what_they_are_allowed_and_nothing_else(scene: Scene, who: str) -> None:
    """All requests to the own, the foreign and the public repository."""
    wanted, seen = {}, {}
    for repository in scene.repositories.values():
        for name, row in ROWS.items():
            cell = f"{name} of {repository.name}"
            wanted[cell] = expected(scene.mode, who, row, repository.name)
            answer = await scene.ask(who, row.endpoint(repository.name, repository), row)
            seen[cell] = summary(answer)

    assert seen == wanted


@by_everybody
async def test_the_version_is_for_who_is_known(scene: Scene, who: str) -> None:
    """Clients find out there whether they have to log in."""
    answer = await scene.ask(who, e.CheckVersion())

    assert summary(answer) == ("200" if scene.mode.is_known(who) else scene.mode.refusal(who))


@by_everybody
async def test_the_catalog_shows_each_what_they_may_see(scene: Scene, who: str) -> None:
    """By rules; an issuer elsewhere grants the catalog as a whole."""
    answer = await scene.ask(who, e.ListCatalog())

    visible = scene.mode.catalog(who)
    if visible is None:
        assert summary(answer) == scene.mode.refusal(who)
    else:
        assert (answer.status_code, answer.json()) == (200, {"repositories": list(visible)})


@by_outsiders
async def test_a_repository_one_may_not_see_answers_like_one_that_is_not_there(
    scene: Scene, who: str
) -> None:
    """Status, headers and body are the same, but for the name."""
    foreign = scene.repositories[FOREIGN]
    for row in ROWS.values():
        hidden = await scene.ask(who, row.endpoint(FOREIGN, foreign), row)
        missing = await scene.ask(who, row.endpoint(MISSING, foreign), row)

        assert comparable(hidden, FOREIGN) == comparable(missing, MISSING)


def comparable(answer: httpx.Response, name: str) -> tuple[object, ...]:
    headers = [(key, value.replace(name, "NAME")) for key, value in answer.headers.items()]
    return answer.status_code, headers, answer.text.replace(name, "NAME")


@by_everybody
async def test_a_blob_is_mounted_only_from_where_one_may_read(scene: Scene, who: str) -> None:
    """From elsewhere it is to be uploaded, as if it were not there; with no source named, too."""
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
    """Whether a blob may come from anywhere. A token lists repositories, and is never for all."""
    readable = {name for name, actions in mode.rights(who).items() if PULL in actions}
    return mode.challenge != "Bearer" and readable >= set(EXISTING)
