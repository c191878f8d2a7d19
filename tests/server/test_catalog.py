"""The catalog that a caller gets is that of a registry without what they may not see.

In bodies, headers and links; its pages cost a bounded number of storage calls.
"""

from __future__ import annotations

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry_core.auth.caller import Everything, Permissions
from registry_core.auth.rules.decisions import RulePermissions
from registry_core.auth.rules.rule import EVERYONE, Rule, Who
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing
from registry_core.server import catalog
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.scopes import PULL
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.catalogs import (
    GLOBS,
    LASTS,
    NAMES,
    assert_no_trace,
    client_for,
    mark_all,
    names_on,
    pages,
    query,
)
from tests.support.counting import CountingStore
from tests.support.listings import SparsePages, StrictStartFrom, WithoutStartFrom

pytestmark = pytest.mark.anyio

any_store = pytest.mark.parametrize("new_store", [StrictStartFrom, WithoutStartFrom, SparsePages])


def seeing(*globs: str) -> RulePermissions:
    """Return the permissions of a caller who may pull from what the globs match."""
    return RulePermissions([Rule((Who(EVERYONE),), (PULL,), globs)] if globs else [])


@any_store
@example(names={"a", "a0", "b"}, globs=["a"], n=1, last=None)
@example(names={"a", "a/a", "a-a", "a.a", "a_a", "aa"}, globs=["a/*", "aa"], n=1, last="a")
@settings(deadline=None)
@given(
    names=st.sets(NAMES, max_size=25),
    globs=st.lists(GLOBS, min_size=1, max_size=4),
    n=st.none() | st.integers(0, 6),
    last=LASTS,
)
async def test_hidden_repositories_leave_no_trace_in_any_page(
    new_store: type[MemoryStore],
    names: set[str],
    globs: list[str],
    n: int | None,
    last: str | None,
) -> None:
    """Whatever the rules, and wherever a client begins."""
    permissions = seeing(*globs)
    visible = set(filter(permissions.sees, names))
    stores = new_store(), new_store()
    await assert_no_trace(stores, permissions, names, visible, query(n, last))


@settings(deadline=None)
@given(
    names=st.sets(NAMES, max_size=25),
    globs=st.lists(GLOBS, min_size=1, max_size=4),
    n=st.integers(1, 6),
    last=LASTS,
)
@any_store
async def test_pages_that_end_for_their_cost_leave_nothing_out(
    new_store: type[MemoryStore], names: set[str], globs: list[str], n: int, last: str | None
) -> None:
    """As if `MOST_LISTINGS` and `ROWS` were so small that most pages end before they are full."""
    permissions = seeing(*globs)
    store = new_store()
    await mark_all(store, names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "MOST_LISTINGS", 2)
        patch.setattr(catalog, "ROWS", 3)
        async with client_for(store, permissions) as client:
            found = await pages(client, query(n, last))
    visible = sorted(filter(permissions.sees, names))
    assert names_on(found) == [name for name in visible if name > (last or "")]


async def page_of(
    permissions: Permissions, names: list[str], n: int
) -> tuple[httpx.Response, list[str]]:
    """Return the first page of a catalog, and the storage calls that it costs."""
    store = CountingStore(MemoryStore())
    await mark_all(store, names)
    store.calls.clear()
    async with client_for(store, permissions) as client:
        answer = await client.get("/v2/_catalog", params=query(n, None))
    assert answer.status_code == 200
    return answer, store.take()


HIDDEN = [f"hidden/{number:04}" for number in range(6000)]


async def test_a_page_of_somebody_who_sees_everything_is_one_call() -> None:
    answer, calls = await page_of(Everything(), HIDDEN, 1000)
    assert (names_on([answer]), calls) == (HIDDEN[:1000], ["list_page"])


async def test_what_lies_before_the_beginnings_of_globs_is_not_listed() -> None:
    """Nor what lies behind them: where nothing is visible any more, the last page ends."""
    names = ["team/a", "team/b", *HIDDEN, *(f"x{name}" for name in HIDDEN)]
    for glob in ("team/**", "team/?", "team/*"):
        answer, calls = await page_of(seeing(glob), names, 1000)
        assert (names_on([answer]), calls) == (["team/a", "team/b"], ["list_page"])
        assert "Link" not in answer.headers


async def test_what_lies_between_the_beginnings_of_globs_is_not_listed() -> None:
    """Such as what sorts between a repository that a rule names and another one."""
    answer, calls = await page_of(seeing("a", "z/**"), ["a", *HIDDEN, "z/a"], 10)
    assert (names_on([answer]), calls) == (["a", "z/a"], ["list_page"] * 2)


async def test_a_page_behind_a_link_goes_on_where_the_one_before_it_ended() -> None:
    store = CountingStore(MemoryStore())
    await mark_all(store, [*HIDDEN, "x/app", "y/app", "z/app"])
    store.calls.clear()
    costs = []
    async with client_for(store, seeing("**/app")) as client:
        answer = await client.get("/v2/_catalog?n=1")
        costs.append(len(store.take()))
        while "next" in answer.links:
            answer = await client.get(answer.links["next"]["url"])
            costs.append(len(store.take()))
    assert costs == [3, 1, 1], "of 6,003 repositories the first page passes over 6,000"


async def test_somebody_whose_rules_show_nothing_costs_no_call() -> None:
    store = CountingStore(MemoryStore())
    assert await catalog.list_visible(StoredRegistry(store), seeing(), PageQuery(10)) == Listing(())
    assert store.calls == []


async def test_a_page_costs_eight_listings_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if a caller sees one repository among many, and no glob says how it begins.

    The page then has a link, at which the next one goes on.
    """
    monkeypatch.setattr(catalog, "ROWS", 100)
    answer, calls = await page_of(seeing("**/app"), [*HIDDEN, "z/app"], 10)
    assert (names_on([answer]), calls) == ([], ["list_page"] * 8)
    assert "last=" not in answer.headers["Link"]


def test_forty_thousand_repositories_are_passed_over_in_one_request() -> None:
    assert catalog.MOST_LISTINGS * catalog.ROWS > 39_000


async def test_a_link_can_be_followed_however_long_the_text_is_after_which_a_client_began() -> None:
    """A URL has 8 KiB at most."""
    store = MemoryStore()
    await mark_all(store, ["b", "c"])
    async with client_for(store, Everything()) as client:
        found = await pages(client, query(1, "a" + "é" * 1000))
    assert names_on(found) == ["b", "c"]


@given(globs=st.lists(GLOBS, min_size=1, max_size=5), name=NAMES)
def test_what_globs_match_begins_with_their_beginnings(globs: list[str], name: str) -> None:
    permissions = seeing(*globs)
    beginnings = permissions.beginnings()
    assert list(beginnings) == sorted(beginnings)
    assert not any(a != b and a.startswith(b) for a in beginnings for b in beginnings)
    assert not permissions.sees(name) or any(map(name.startswith, beginnings))


@given(text=st.text("az/-._09", min_size=1, max_size=4), name=NAMES)
def test_nothing_lies_between_a_text_and_the_one_before_it(text: str, name: str) -> None:
    """Of what names may begin with."""
    before = catalog._before(text)
    assert (name > before) == (name >= text)
    assert before <= text
