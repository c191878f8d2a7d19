"""Listings over HTTP: links that lead elsewhere, and registries that ignore what they are asked."""

from __future__ import annotations

import json
from functools import partial

import pytest
from aiohttp import web

from registry_core.client import HttpRegistry
from registry_core.registry import Listing, TagInfo
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL, PageQuery
from registry_core.spec.errors import Denied, ManifestUnknown, Unavailable, Unsupported
from registry_core.spec.media_types import OCI_INDEX, OCI_MANIFEST
from registry_core.spec.references import fallback_tag
from tests.contracts.registry.common import pages_of

from .peers import Handler, Received, peer, session

pytestmark = pytest.mark.anyio

SUBJECT = Digest.of(b"subject")
REFERRERS = [
    Descriptor(OCI_MANIFEST, Digest.of(b"%d" % number), 5, artifact_type=kind)
    for number, kind in enumerate(("signature", "sbom", "signature"))
]
IN_ORDER = tuple(sorted(REFERRERS, key=lambda entry: entry.digest))
INDEX = json.dumps(
    {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [e.to_json() for e in REFERRERS]}
)


def tags(*names: str, link: str = "") -> web.Response:
    headers = {"Link": link} if link else {}
    return web.json_response({"name": "a", "tags": list(names)}, headers=headers)


async def tags_of(answer: Handler, page: PageQuery = ALL) -> tuple[list[str], list[str]]:
    """Return all tags, page by page, and what was requested."""
    async with peer(answer) as served, session(served.url) as client:
        pages = await pages_of(partial(HttpRegistry(client).list_tags, "a"), page)
    return [tag.name for page in pages for tag in page], served.targets


@pytest.mark.parametrize(
    "link",
    [
        '</v2/a/tags/list?last=v2&n=2>; rel="next"',
        "</v2/a/tags/list?last=v2&n=2>;rel=next",
        '<list?last=v2&n=2>; rel="next"',
        '</v2/other>; rel="prev", </v2/a/tags/list?last=v2&n=2>; title="a, b"; rel="x next"',
    ],
)
async def test_pages_follow_the_registrys_links(link: str) -> None:
    def answer(request: Received) -> web.Response:
        return tags("v3") if "last=v2" in request.target else tags("v1", "v2", link=link)

    found, targets = await tags_of(answer, PageQuery(2))
    assert found == ["v1", "v2", "v3"]
    assert targets == ["GET /v2/a/tags/list?n=2", "GET /v2/a/tags/list?last=v2&n=2"]


@pytest.mark.parametrize(
    "link, says",
    [
        ("https://elsewhere.example/v2/a/tags/list?last=v1", "another host, 'elsewhere.example'"),
        ("//169.254.169.254/v2/a/tags/list?last=v1", "another host, '169.254.169.254'"),
        ("//[", "not a valid URL"),
        ("/v2/b/tags/list?last=v1", "something else"),
        ("/v2/a/tags/list/../../../secret", "something else"),
        ("/v2/_catalog?last=v1", "something else"),
    ],
)
async def test_a_link_to_anything_but_the_same_listing_is_not_followed(
    link: str, says: str
) -> None:
    with pytest.raises(Unavailable, match=says):
        await tags_of(lambda _: tags("v1", link=f'<{link}>; rel="next"'))


async def test_a_link_that_leads_back_to_its_own_page_is_not_followed_for_ever() -> None:
    link = '</v2/a/tags/list?last=v1>; rel="next"'
    with pytest.raises(Unavailable, match="leads to the same page"):
        await tags_of(lambda _: tags("v1", link=link))


@pytest.mark.parametrize("n", [1, 2, 3, None])
async def test_a_registry_that_ignores_pages_is_cut_into_them(n: int | None) -> None:
    """It returns all tags each time, in any order."""
    found, _ = await tags_of(lambda _: tags("v2", "v3", "v1"), PageQuery(n))
    assert found == ["v1", "v2", "v3"]
    found, _ = await tags_of(lambda _: tags("v2", "v3", "v1"), PageQuery(n, "v1"))
    assert found == ["v2", "v3"]


async def test_no_more_is_requested_than_registries_take() -> None:
    """Distribution refuses more than 1,000."""
    for n in (None, 1000, 5000):
        _, targets = await tags_of(lambda _: tags("v1"), PageQuery(n))
        assert targets == ["GET /v2/a/tags/list?n=1000"]


async def test_a_list_that_is_null_is_empty() -> None:
    """Programs in Go write it so."""
    found, _ = await tags_of(lambda _: web.json_response({"name": "a", "tags": None}))
    assert found == []


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", '{"tags": "v1"}', '{"tags": [1]}', "[" * 9999]
)
async def test_what_is_no_list_is_the_registrys_fault(body: str) -> None:
    with pytest.raises(Unavailable, match="does not follow the specification"):
        await tags_of(lambda _: web.Response(text=body))


async def test_details_of_a_tag_that_points_nowhere_are_unknown() -> None:
    def answer(request: Received) -> web.Response:
        if request.target.startswith("/v2/a/tags"):
            return tags("gone", "v1")
        if request.target.endswith("gone"):
            return web.Response(status=404)
        digest = {"Docker-Content-Digest": str(SUBJECT), "Content-Length": "7"}
        return web.Response(headers={"Content-Type": OCI_MANIFEST, **digest})

    async with peer(answer) as served, session(served.url) as client:
        found = await HttpRegistry(client).list_tags("a", ALL, details=True)
    assert found.entries == (TagInfo("gone"), TagInfo("v1", SUBJECT, OCI_MANIFEST, 7))


async def referrers_of(
    answer: Handler, artifact_type: str | None = None, page: PageQuery = ALL
) -> Listing[Descriptor]:
    async with peer(answer) as served, session(served.url) as client:
        return await HttpRegistry(client).list_referrers("a", SUBJECT, artifact_type, page)


def index(request: Received, status: int = 404, content_type: str = "text/plain") -> web.Response:
    """Answer as a registry without referrers API, which has the fallback tag."""
    if request.target.startswith("/v2/a/referrers/"):
        return web.Response(status=status, text="page not found", content_type=content_type)
    if request.target == f"/v2/a/manifests/{fallback_tag(SUBJECT)}":
        return web.Response(text=INDEX, content_type=OCI_INDEX)
    return web.Response(status=404)


async def test_a_registry_that_does_not_filter_referrers_is_filtered() -> None:
    listing = await referrers_of(
        lambda _: web.Response(text=INDEX, content_type=OCI_INDEX), "signature"
    )
    assert [entry.artifact_type for entry in listing.entries] == ["signature"] * 2


@pytest.mark.parametrize(
    "status, content_type", [(404, "text/plain"), (405, "text/plain"), (200, "text/html")]
)
async def test_without_a_referrers_api_the_index_under_the_fallback_tag_is_the_list(
    status: int, content_type: str
) -> None:
    """The API is missing, or a page for people is where it should be."""
    answer = partial(index, status=status, content_type=content_type)
    assert (await referrers_of(answer)).entries == IN_ORDER
    [sbom] = (await referrers_of(answer, "sbom")).entries
    assert sbom == REFERRERS[1]
    first = await referrers_of(answer, None, PageQuery(2))
    assert first.entries == IN_ORDER[:2]
    assert first.next is not None
    assert (await referrers_of(answer, None, first.next)).entries == IN_ORDER[2:]


async def test_without_the_api_and_the_tag_there_are_no_referrers() -> None:
    assert await referrers_of(lambda _: web.Response(status=404)) == Listing(())


async def test_a_fallback_tag_that_is_not_an_index_is_ignored() -> None:
    def answer(request: Received) -> web.Response:
        if "/manifests/" in request.target:
            return web.Response(text="{}", content_type=OCI_MANIFEST)
        return web.Response(status=404)

    assert await referrers_of(answer) == Listing(())


async def test_a_list_of_what_are_no_descriptors_is_the_registrys_fault() -> None:
    body = json.dumps({"manifests": [{"mediaType": OCI_MANIFEST}]})
    with pytest.raises(Unavailable, match="digest is missing"):
        await referrers_of(lambda _: web.Response(text=body, content_type=OCI_INDEX))


async def test_a_refused_list_of_referrers_is_not_an_empty_one() -> None:
    with pytest.raises(Exception, match="the registry answered with status 403") as raised:
        await referrers_of(lambda _: web.Response(status=403))
    assert not isinstance(raised.value, ManifestUnknown)


async def test_a_registry_without_a_catalog_says_so() -> None:
    async with peer(lambda _: web.Response(status=404)) as served, session(served.url) as client:
        with pytest.raises(Unsupported, match="the catalog is unknown"):
            await HttpRegistry(client).list_repositories(ALL)


async def test_an_error_of_the_fallback_tag_names_the_registry_once() -> None:
    def answer(request: Received) -> web.Response:
        return web.Response(status=403 if "/manifests/" in request.target else 404)

    async with peer(answer) as served, session(served.url) as client:
        with pytest.raises(Denied) as error:
            await HttpRegistry(client).list_referrers("a", SUBJECT, None, ALL)
    assert str(error.value).count(f"127.0.0.1:{served.port}/a: ") == 1
