"""The contract for listings: tags, manifests and repositories, page by page."""

from __future__ import annotations

from functools import partial

import pytest

from registry_core.registry import Listing, Registry, TagInfo
from registry_core.spec import media_types
from registry_core.spec.endpoints import ALL, PageQuery
from registry_core.spec.errors import NameUnknown, PaginationNumberInvalid, Unsupported
from registry_core.spec.manifest import parse_manifest
from tests.support.content import CONFIG, push_blob, push_image

from .common import DIGEST, LAYER, MANIFEST, Carried, pages_of

TAGS = ("V1", "_", "v1", "v1-a", "v1.0", "v1.0.0", "v10", "v2")


async def push_tags(registry: Registry, repository: str = "a") -> None:
    for content in (CONFIG, LAYER):
        await push_blob(registry, repository, content)
    await registry.push_manifest(repository, parse_manifest(MANIFEST), TAGS)


class Listings:
    """What there is."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("n", [1, 3, 8, 9, None])
    @pytest.mark.parametrize("details", [False, True])
    async def test_the_pages_of_tags_are_all_tags_in_lexical_order(
        self, registry: Registry, n: int | None, *, details: bool
    ) -> None:
        await push_tags(registry)
        ask = partial(registry.list_tags, "a", details=details)
        pages = await pages_of(ask, PageQuery(n))
        assert [tag.name for page in pages for tag in page] == list(TAGS)
        assert all(len(page) <= (n or 1000) for page in pages)

    @pytest.mark.parametrize("last", ["", "V1", "v1", "v1.", "v1.0.0", "z", "a" * 500])
    async def test_tags_continue_after_any_text(self, registry: Registry, last: str) -> None:
        await push_tags(registry)
        pages = await pages_of(partial(registry.list_tags, "a"), PageQuery(2, last))
        assert [tag.name for page in pages for tag in page] == [tag for tag in TAGS if tag > last]

    async def test_details_of_a_tag_are_those_of_its_manifest(
        self, registry: Registry, carried: Carried
    ) -> None:
        await push_image(registry, "a", "v1", [LAYER])
        [tag] = (await registry.list_tags("a", ALL, details=True)).entries
        described = ("v1", DIGEST, media_types.OCI_MANIFEST, len(MANIFEST))
        assert (tag.name, tag.digest, tag.media_type, tag.size) == described
        assert (tag.updated is not None) == carried.tag_times
        assert (await registry.list_tags("a", ALL)).entries == (TagInfo("v1"),)

    async def test_a_repository_without_tags_has_an_empty_list_and_an_unknown_one_is_refused(
        self, registry: Registry
    ) -> None:
        pages = (ALL, PageQuery(0), PageQuery(5), PageQuery(5, "z"))
        for page in pages:
            with pytest.raises(NameUnknown):
                await registry.list_tags("a", page)
        await push_image(registry, "a", DIGEST, [LAYER])
        for page in pages:
            assert await registry.list_tags("a", page) == Listing(())

    @pytest.mark.parametrize("n", [1, 2, 3, None])
    async def test_the_pages_of_the_catalog_are_all_repositories_in_lexical_order(
        self, registry: Registry, n: int | None
    ) -> None:
        names = ["a", "a-b", "a/b", "b"]
        for name in reversed(names):
            await push_image(registry, name, "v1", [LAYER])
        pages = await pages_of(registry.list_repositories, PageQuery(n))
        assert [name for page in pages for name in page] == names
        pages = await pages_of(registry.list_repositories, PageQuery(n, "a-"))
        assert [name for page in pages for name in page] == names[1:]

    async def test_a_page_of_no_entries_is_empty(self, registry: Registry) -> None:
        await push_image(registry, "a", "v1", [LAYER])
        assert await registry.list_tags("a", PageQuery(0)) == Listing(())
        assert await registry.list_repositories(PageQuery(0)) == Listing(())
        assert await registry.list_referrers("a", DIGEST, None, PageQuery(0)) == Listing(())

    @pytest.mark.parametrize(
        "token", ["!", "a", "é", "_w", "https://elsewhere.example/v2/_catalog"]
    )
    async def test_a_token_that_was_never_returned_is_refused(
        self, registry: Registry, token: str
    ) -> None:
        await push_image(registry, "a", "v1", [LAYER])
        page = PageQuery(5, "a", token)
        with pytest.raises(PaginationNumberInvalid):
            await registry.list_tags("a", page)
        with pytest.raises(PaginationNumberInvalid):
            await registry.list_repositories(page)
        with pytest.raises(PaginationNumberInvalid):
            await registry.list_referrers("a", DIGEST, None, page)

    async def test_a_token_of_another_listing_is_refused(self, registry: Registry) -> None:
        await push_tags(registry)
        first = await registry.list_tags("a", PageQuery(1))
        assert first.next is not None
        with pytest.raises(PaginationNumberInvalid):
            await registry.list_repositories(first.next)

    @pytest.mark.parametrize("n", [1, 2, 5, None])
    async def test_the_pages_of_manifests_are_all_of_them_in_the_order_of_their_digests(
        self, registry: Registry, carried: Carried, n: int | None
    ) -> None:
        if not carried.manifests:
            with pytest.raises(Unsupported, match="list its tags"):
                await registry.list_manifests("a", ALL)
            return
        pushed = [await push_image(registry, "a", f"v{i}", [b"%d" % i]) for i in range(5)]
        pages = await pages_of(partial(registry.list_manifests, "a"), PageQuery(n))
        found = [manifest.digest for page in pages for manifest in page]
        assert found == sorted(manifest.digest for manifest in pushed)
        with pytest.raises(NameUnknown):
            await registry.list_manifests("b", ALL)
