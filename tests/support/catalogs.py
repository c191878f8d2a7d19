"""The catalog over HTTP, as one caller gets it: page by page, headers included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx
from hypothesis import strategies as st

from registry_core.auth.caller import Caller, Everything, Open, Permissions
from registry_core.globs import RepositoryGlobs
from registry_core.object_store.interface import ObjectStore
from registry_core.server.asgi import asgi
from registry_core.spec.names import is_name
from registry_core.storage.catalog import Catalog
from registry_core.storage.stored_registry import StoredRegistry

SECRET = "a secret for tests, long enough: 0123456789"
MOST_PAGES = 200


def _is_glob(text: str) -> bool:
    try:
        RepositoryGlobs((text,))
    except ValueError:
        return False
    return True


NAMES = st.text("ab/-._0", min_size=1, max_size=5).filter(is_name)
GLOBS = st.text("ab/-._0*?", min_size=1, max_size=4).filter(_is_glob) | NAMES
LASTS = st.none() | NAMES | st.text("ab/-._0~ é\0", max_size=5)


@dataclass
class As(Open):
    """An `Authenticator` to which every request is one caller's."""

    permissions: Permissions
    name: str = ""

    async def authenticate(
        self, authorization: str | None, *, at: float | None = None, client: str = ""
    ) -> Caller:
        return Caller(self.name, self.permissions, is_known=True)


def client_for(
    store: ObjectStore, permissions: Permissions, name: str = "", secret: str = SECRET
) -> httpx.AsyncClient:
    """Return a client of a registry over the store, for one caller."""
    application = asgi(StoredRegistry(store), secret=secret, authenticator=As(permissions, name))
    transport = httpx.ASGITransport(application)
    return httpx.AsyncClient(transport=transport, base_url="http://registry.test")


async def mark_all(store: ObjectStore, names: Iterable[str]) -> None:
    """Write the markers of repositories, so that the catalog has them."""
    for name in names:
        await Catalog(store).mark(name)


@dataclass(frozen=True)
class Seen:
    """What a client sees of a page, except for what a sealed position looks like."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: str

    @classmethod
    def of(cls, answer: httpx.Response) -> Seen:
        headers = [(name, _unsealed(value)) for name, value in answer.headers.items()]
        return cls(answer.status_code, sorted(headers), answer.text)


def _unsealed(value: str) -> str:
    """Return a header with the length of the position in place of the position."""
    return re.sub(r"_token=([^&>]*)", lambda match: f"_token={len(match[1])}", value)


async def pages(
    client: httpx.AsyncClient,
    parameters: dict[str, str],
    *,
    path: str = "/v2/_catalog",
    headers: dict[str, str] | None = None,
) -> list[httpx.Response]:
    """Return every page, as a client gets them that follows the links."""
    answers = [await client.get(path, params=parameters, headers=headers)]
    while following := answers[-1].links.get("next", {}).get("url"):
        assert len(answers) < MOST_PAGES
        answers.append(await client.get(following, headers=headers))
    return answers


def names_on(answers: Iterable[httpx.Response]) -> list[str]:
    """Return the repositories on all pages of the catalog."""
    return [name for answer in answers for name in answer.json()["repositories"]]


def query(n: int | None, last: str | None) -> dict[str, str]:
    """Return the parameters of a page."""
    parameters = {"n": n, "last": last}
    return {name: str(value) for name, value in parameters.items() if value is not None}


async def assert_no_trace(
    stores: tuple[ObjectStore, ObjectStore],
    permissions: Permissions,
    names: set[str],
    visible: set[str],
    parameters: dict[str, str],
) -> None:
    """Assert that a caller gets all pages as from a registry that has only what they may see.

    :param stores: two empty ones.
    :param visible: those of ``names`` that the caller may see.
    """
    await mark_all(stores[0], names)
    await mark_all(stores[1], visible)
    async with client_for(stores[0], permissions) as client:
        found = await pages(client, parameters)
    async with client_for(stores[1], Everything()) as client:
        wanted = await pages(client, parameters)
    assert list(map(Seen.of, found)) == list(map(Seen.of, wanted))
    n, last = parameters.get("n"), parameters.get("last", "")
    assert names_on(found) == (sorted(name for name in visible if name > last) if n != "0" else [])
    assert all(str(len(page.json()["repositories"])) == n for page in found[:-1])
