"""The catalog over HTTP, as one caller gets it: page by page, headers included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx

from registry_core.auth.caller import Caller, Open, Permissions
from registry_core.object_store.interface import ObjectStore
from registry_core.server.asgi import asgi
from registry_core.storage.catalog import Catalog
from registry_core.storage.stored_registry import StoredRegistry

SECRET = "a secret for tests, long enough: 0123456789"
MOST_PAGES = 200


@dataclass
class As(Open):
    """An `Authenticator` to which every request is one caller's."""

    permissions: Permissions
    name: str = ""

    async def authenticate(self, authorization: str | None, *, at: float | None = None) -> Caller:
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
