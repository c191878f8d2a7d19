"""Content discovery: tags (end-8a, end-8b) and Docker's catalog."""

import pytest

from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

TAGS = ["a", "a-b", "a.b", "a0", "b"]


@pytest.mark.every_host
async def test_tags_are_listed_in_lexical_order_and_in_linked_pages(wire: Wire) -> None:
    manifest = await wire.push_image(TAGS[0], b"layer")
    for tag in reversed(TAGS[1:]):
        assert (await wire.put_manifest(tag, manifest)).status_code == 201
    url = f"{wire.base}/tags/list"
    assert (await wire.client.get(url)).json() == {"name": wire.repository, "tags": TAGS}
    assert (await wire.client.get(f"{url}?n=2&last=a-b")).json()["tags"] == TAGS[2:4]
    assert (await wire.client.get(f"{url}?last=a.")).json()["tags"] == TAGS[2:]
    odd = {"n": "2", "last": "a/\0 é&?"}
    assert (await wire.client.get(url, params=odd)).json()["tags"] == TAGS[3:]
    nothing = await wire.client.get(f"{url}?n=0")
    assert (nothing.json()["tags"], "Link" in nothing.headers) == ([], False)
    seen: list[str] = []
    following: str | None = f"{url}?n=2"
    while following:
        answer = await wire.client.get(following)
        seen += answer.json()["tags"]
        following = answer.links.get("next", {}).get("url")
    assert seen == TAGS


@pytest.mark.every_host
async def test_the_catalog_is_listed_in_linked_pages(wire: Wire) -> None:
    await wire.push_image("v1", b"layer")
    seen: list[str] = []
    following: str | None = "/v2/_catalog?n=3"
    while following:
        answer = await wire.client.get(following)
        seen += answer.json()["repositories"]
        following = answer.links.get("next", {}).get("url")
    assert wire.repository in seen
    assert seen == sorted(set(seen))


@pytest.mark.every_host
async def test_the_catalog_continues_after_any_text(wire: Wire) -> None:
    await wire.push_image("v1", b"layer")
    answer = await wire.client.get("/v2/_catalog", params={"n": 1, "last": wire.repository[:-1]})
    assert answer.json()["repositories"] == [wire.repository]
    odd = {"n": "1", "last": wire.repository[:-1] + "\0 é&?"}
    answer = await wire.client.get("/v2/_catalog", params=odd)
    assert answer.json()["repositories"] == [wire.repository]


async def test_invalid_listings_are_refused(wire: Wire) -> None:
    url = f"{wire.base}/tags/list"
    assert_error(await wire.client.get(url), 404, "NAME_UNKNOWN")
    for query in ("n=-1", "n=x", "n=5&_token=!", "n=5&_token=MTA6AAEC"):
        answer = await wire.client.get(f"{url}?{query}")
        assert_error(answer, 400, "PAGINATION_NUMBER_INVALID")
