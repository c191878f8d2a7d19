"""Documents carried out: what an entry copies, and that one which fails stops no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing, Registry, TagInfo
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.errors import NameUnknown, Unavailable
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.transfer.locations import (
    Location,
    RegistryLocation,
    RegistryRoot,
    Selected,
    selected_in_registry,
)
from registry_core.transfer.options import CopyOptions
from registry_core.transfer.place import Place, Source, Target
from registry_core.transfer.run import CopyRun
from registry_core.transfer.sync import EntryReport, sync
from registry_core.transfer.sync_document import parse_document
from registry_core.wrappers import Delegating
from tests.support.content import push_image

pytestmark = pytest.mark.anyio

FROM, TO = "from.example", "to.example"
ONE = """
[[sync]]
source = "from.example/app:v1"
target = "to.example/copies/app"
"""
GLOBS = """
[[sync]]
source = "from.example/app"
target = "to.example/app"
tags = ["v*"]
exclude = ["*-rc?"]
"""
ALL = """
[[sync]]
source = "from.example/team"
target = "to.example/copies"
repositories = ["*"]
tags = ["*"]
"""


class ShortPages(Delegating):
    """A registry whose pages have one entry."""

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        return await self.inner.list_tags(repository, replace(page, n=1), details=details)

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        return await self.inner.list_repositories(replace(page, n=1))


class Broken(Delegating):
    """A registry that fails to list the tags of team/a."""

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        if repository == "team/a":
            raise Unavailable("broken")
        return await self.inner.list_tags(repository, page, details=details)


@dataclass
class Registries:
    """Registries by their hosts: an `Opener`. A host that is missing cannot be reached."""

    registries: Mapping[str, Registry]

    @classmethod
    def of(cls, kind: type[Delegating] = Delegating) -> Registries:
        """Return two empty registries, of which the first is of this kind."""
        source, target = StoredRegistry(MemoryStore()), StoredRegistry(MemoryStore())
        return cls({FROM: kind(source), TO: target})

    async def source(self, location: Location) -> Place[Source]:
        return self._place(location)

    async def target(self, location: Location) -> Place[Target]:
        return self._place(location)

    async def select(self, location: Location) -> Selected:
        assert isinstance(location, RegistryLocation)
        return selected_in_registry(location)

    async def catalog(self, root: RegistryRoot) -> Registry:
        return self._registry(root.host)

    def _place(self, location: Location) -> Place[Registry]:
        assert isinstance(location, RegistryLocation)
        registry = self._registry(location.host)
        return Place(registry, location.repository, location.host, keeps_whole=True)

    def _registry(self, host: str) -> Registry:
        if host not in self.registries:
            raise Unavailable(f"{host} cannot be reached")
        return self.registries[host]

    async def fill(self, *images: tuple[str, str], host: str = FROM) -> None:
        """Push an image for each repository and tag."""
        for repository, tag in images:
            layer = f"{repository}:{tag}".encode()
            await push_image(self.registries[host], repository, tag, [layer])

    async def digest(self, host: str, repository: str, tag: str) -> Digest:
        return (await self.registries[host].resolve_manifest(repository, tag)).digest

    async def sync(self, document: str, *, dry_run: bool = False) -> list[EntryReport]:
        """Carry a document out; return the reports of its entries."""
        reports: list[EntryReport] = []
        entries = parse_document(document, "sync.toml").entries
        options = CopyOptions(dry_run=dry_run)
        await sync(
            entries, self, options, CopyRun(), on_progress=lambda *_: None, on_entry=reports.append
        )
        return reports


async def test_an_image_is_copied_under_the_tag_of_its_source() -> None:
    registries = Registries.of()
    await registries.fill(("app", "v1"))
    [report] = await registries.sync(ONE)
    digest = await registries.digest(FROM, "app", "v1")
    assert await registries.digest(TO, "copies/app", "v1") == digest
    assert report.copies[0].tags == {"v1": digest}
    assert not report.failed


async def test_tags_that_match_are_copied_and_those_excluded_are_not() -> None:
    registries = Registries.of()
    await registries.fill(("app", "v1"), ("app", "v2"), ("app", "v2-rc1"), ("app", "latest"))
    [report] = await registries.sync(GLOBS)
    assert set(report.copies[0].tags) == {"v1", "v2"}


async def test_all_pages_of_tags_and_repositories_are_looked_at() -> None:
    registries = Registries.of(ShortPages)
    await registries.fill(("team/a", "v1"), ("team/a", "v2"), ("team/b", "v1"))
    [report] = await registries.sync(ALL)
    assert [set(copy.tags) for copy in report.copies] == [{"v1", "v2"}, {"v1"}]


async def test_the_repositories_of_a_registry_that_match_are_copied_below_a_prefix() -> None:
    """A glob with one star does not match across slashes."""
    registries = Registries.of()
    await registries.fill(("team/a", "v1"), ("team/b", "v1"), ("team/c/d", "v1"), ("other/a", "v1"))
    [report] = await registries.sync(ALL)
    assert len(report.copies) == 2
    for name in ("a", "b"):
        digest = await registries.digest(FROM, f"team/{name}", "v1")
        assert await registries.digest(TO, f"copies/{name}", "v1") == digest


async def test_copies_within_a_registry_are_not_copied_again() -> None:
    """Otherwise each run would copy the copies of the last one, below the prefix once more."""
    within = (
        ALL.replace("from.example/team", FROM).replace(TO, FROM).replace('["*"]\n', '["**"]\n', 1)
    )
    registries = Registries.of()
    await registries.fill(("team/a", "v1"))
    for _ in range(2):
        [report] = await registries.sync(within)
        assert [copy.target for copy in report.copies] == ["from.example/copies/team/a"]


async def test_a_second_run_copies_nothing_and_a_third_only_what_has_changed() -> None:
    registries = Registries.of()
    await registries.fill(("app", "v1"), ("app", "v2"))
    await registries.sync(GLOBS)
    [second] = await registries.sync(GLOBS)
    assert not second.copies[0].changed
    assert set(second.copies[0].present_tags) == {"v1", "v2"}
    await push_image(registries.registries[FROM], "app", "v2", [b"changed"])
    [third] = await registries.sync(GLOBS)
    assert set(third.copies[0].tags) == {"v2"}
    assert await registries.digest(TO, "app", "v2") == await registries.digest(FROM, "app", "v2")


async def test_a_dry_run_writes_nothing_and_reports_what_would_be_copied() -> None:
    registries = Registries.of()
    await registries.fill(("app", "v1"))
    [report] = await registries.sync(GLOBS, dry_run=True)
    assert set(report.copies[0].tags) == {"v1"}
    with pytest.raises(NameUnknown):
        await registries.registries[TO].list_tags("app", PageQuery())


async def test_an_entry_that_fails_stops_no_other() -> None:
    """A tag or a repository that does not exist, a registry that cannot be reached."""
    registries = Registries.of()
    await registries.fill(("app", "v1"))
    lost = ONE.replace(":v1", ":lost")
    unreachable = GLOBS.replace(FROM, "gone.example")
    unknown = GLOBS.replace(f"{FROM}/app", f"{FROM}/unknown")
    reports = await registries.sync(lost + unreachable + unknown + ONE)
    assert [report.failed for report in reports] == [True, True, True, False]
    assert list(reports[0].failures) == ["from.example/app:lost"]
    assert list(reports[1].failures) == ["gone.example/app"]
    copied = await registries.digest(TO, "copies/app", "v1")
    assert copied == await registries.digest(FROM, "app", "v1")


async def test_a_repository_that_fails_stops_no_other() -> None:
    registries = Registries.of(Broken)
    await registries.fill(("team/a", "v1"), ("team/b", "v1"))
    [report] = await registries.sync(ALL)
    assert list(report.failures) == ["from.example/team/a"]
    copied = await registries.digest(TO, "copies/b", "v1")
    assert copied == await registries.digest(FROM, "team/b", "v1")


@pytest.mark.parametrize(
    "document, where",
    [
        (GLOBS.replace('"v*"', '"x*"'), "from.example/app"),
        (ALL.replace('["*"]\ntags', '["x*"]\ntags'), "from.example/team"),
    ],
)
async def test_where_nothing_matches_is_reported(document: str, where: str) -> None:
    registries = Registries.of()
    await registries.fill(("app", "v1"))
    [report] = await registries.sync(document)
    assert (report.unmatched, report.copies, report.failed) == ((where,), (), False)
