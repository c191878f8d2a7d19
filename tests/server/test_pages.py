"""Links to next pages: they carry a position that only this registry can read, for one listing."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from registry_core.auth.caller import Everything
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from tests.support.catalogs import SECRET, client_for, mark_all
from tests.support.counting import CountingStore
from tests.support.listings import SparsePages, put_tag
from tests.support.referrers import OF_SUBJECT, SBOM, SIGNATURE, artifact, new_referrers, push
from tests.support.wire import assert_error

pytestmark = pytest.mark.anyio

REFERRERS = f"/v2/r/referrers/{OF_SUBJECT}"
TAGS = "/v2/r/tags/list"
CATALOG = "/v2/_catalog"
LISTINGS = (TAGS, CATALOG, REFERRERS, f"{REFERRERS}?artifactType={SBOM}")


@pytest.fixture
async def store() -> MemoryStore:
    """Three of each, in a store whose pages are short, so that links need storage's position."""
    store = SparsePages()
    await mark_all(store, ["a", "b", "r"])
    for number in range(3):
        await put_tag(store, f"v{number}")
        await push(new_referrers(store), artifact(f"{number}", SBOM), "r")
    return store


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for(store, Everything(), "alice") as client:
        yield client


async def link_of(client: httpx.AsyncClient, listing: str) -> httpx.URL:
    """Return the link to the second page of a listing."""
    answer = await client.get(httpx.URL(listing).copy_add_param("n", "1"))
    assert answer.status_code == 200, answer.text
    return httpx.URL(answer.links["next"]["url"])


async def follow(client: httpx.AsyncClient, listing: str, token: str) -> httpx.Response:
    """Request a page of a listing at a position."""
    return await client.get(httpx.URL(listing).copy_merge_params({"n": "1", "_token": token}))


@pytest.mark.parametrize("listing", LISTINGS)
async def test_a_link_does_not_show_a_position_in_storage(
    client: httpx.AsyncClient, listing: str
) -> None:
    token = (await link_of(client, listing)).params["_token"]
    legible = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for text in (b"docker", b"registry", b"sha256", b"null"):
        assert text not in legible
    assert len(legible) == 1024 + 12 + 16


@pytest.mark.parametrize("listing", LISTINGS)
async def test_another_instance_follows_a_link(
    store: MemoryStore, client: httpx.AsyncClient, listing: str
) -> None:
    link = await link_of(client, listing)
    async with client_for(store, Everything(), "alice") as another:
        assert (await another.get(link)).status_code == 200


@pytest.mark.parametrize("listing", LISTINGS)
async def test_a_link_is_refused_in_every_other_listing(
    client: httpx.AsyncClient, listing: str
) -> None:
    """In another repository, too, and with another filter."""
    token = (await link_of(client, listing)).params["_token"]
    others = {
        *LISTINGS,
        "/v2/a/tags/list",
        f"/v2/a/referrers/{OF_SUBJECT}",
        f"/v2/r/referrers/{Digest.of(b'another')}",
        f"{REFERRERS}?artifactType={SIGNATURE}",
    } - {listing}
    for other in others:
        answer = await follow(client, other, token)
        assert_error(answer, 400, "PAGINATION_NUMBER_INVALID")
    assert (await follow(client, listing, token)).status_code == 200


@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize("other", [{"name": "bob"}, {"secret": SECRET[::-1]}], ids=str)
async def test_a_link_is_refused_from_another_caller_and_after_the_secret_changed(
    store: MemoryStore, client: httpx.AsyncClient, listing: str, other: dict[str, Any]
) -> None:
    link = await link_of(client, listing)
    async with client_for(store, Everything(), **({"name": "alice"} | other)) as another:
        assert_error(await another.get(link), 400, "PAGINATION_NUMBER_INVALID")


@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize("token", ["!", "x", "W251bGwsbnVsbF0", "a" * 3000])
async def test_a_position_that_was_never_returned_is_refused_without_a_call(
    store: MemoryStore, listing: str, token: str
) -> None:
    counting = CountingStore(store)
    async with client_for(counting, Everything()) as client:
        assert_error(await follow(client, listing, token), 400, "PAGINATION_NUMBER_INVALID")
    assert counting.calls == []
