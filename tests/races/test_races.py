"""Many clients write the same content at once through two hosts; every read is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from registry_core.registry import Listing, TagInfo
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.errors import ManifestUnknown, NameUnknown
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azure_answers import AzureAnswers
from tests.support.azurite import create_container, opened

from .append_starts import write_tags
from .blobs import SameBlob
from .hosts import clients_of, two_hosts
from .race import Race
from .tags import TAG, Deleted, Moved, Replaced, SetOnce

pytestmark = [pytest.mark.anyio, pytest.mark.hosts, pytest.mark.timeout(300)]

SECONDS = 1.0
"""The least duration of a race, which continues until it has seen enough."""

AT_NIGHT = 60.0

Show = Callable[[str], None]


@pytest.fixture(params=[SECONDS, pytest.param(AT_NIGHT, marks=pytest.mark.nightly)])
def seconds(request: pytest.FixtureRequest) -> float:
    seconds: float = request.param
    return seconds


@pytest.fixture(scope="module")
def container(azurite: Azurite) -> str:
    return create_container(azurite)


@pytest.fixture(scope="module")
def urls(azurite: Azurite, container: str) -> Iterator[list[str]]:
    with two_hosts(azurite.connection_string, container) as urls:
        yield urls


@pytest.fixture
async def hosts(urls: list[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with clients_of(urls) as clients:
        yield clients


async def test_a_tag_that_is_moved_continuously_is_always_whole(
    hosts: list[httpx.AsyncClient], show: Show, seconds: float
) -> None:
    race = Moved(hosts, seconds, pushes=50, reads_by_tag=50, reads_by_digest=50)
    await race.race()
    show(f"a tag moved: {race.verdict()}")


async def test_a_tag_exists_while_many_replace_the_append_blob_of_another_registry(
    azurite: Azurite, container: str, show: Show, seconds: float
) -> None:
    """Azure refuses to overwrite an append blob: it is deleted first, and readers see nothing."""
    with AzureAnswers(azurite) as azure, two_hosts(azure.connection_string, container) as urls:
        async with clients_of(urls) as hosts:
            race = Replaced(hosts, seconds, tags=2, reads_by_tag=50, reads_by_digest=50)
            await race.push_blobs()
            await race.race_for(await write_tags(race, azurite, container, 8 + int(seconds)))
            show(f"append blobs replaced: {race.verdict()}")
            assert azure.refused >= race.counts["tags"]


async def test_deleted_and_repushed_content_is_whole_or_unknown(
    hosts: list[httpx.AsyncClient], azurite: Azurite, container: str, show: Show, seconds: float
) -> None:
    race = Deleted(
        hosts,
        seconds,
        pushes=50,
        tag_deletions=5,
        manifest_deletions=5,
        reads_by_tag=50,
        reads_by_tag_of_nothing=5,
        reads_by_digest_of_nothing=1,
    )
    await race.race()
    show(f"deleted and pushed again: {race.verdict()}")
    async with opened(azurite, container) as store:
        await check_consistent(StoredRegistry(store), race)


async def check_consistent(registry: StoredRegistry, race: Deleted) -> None:
    """A new registry, without caches, has what is listed and nothing else."""
    try:
        listing = await registry.list_tags(race.repository, PageQuery())
    except NameUnknown:
        listing = Listing[TagInfo](())
    listed = [tag.name for tag in listing.entries]
    digest = await found(registry, race, TAG)
    assert listed == ([TAG] if digest else [])
    there = {d for d in race.sent if await found(registry, race, Digest.parse(d))}
    assert there >= {str(Digest.of(manifest)) for manifest in race.kept}
    assert there >= ({digest} if digest else set())
    assert race.repository in (await registry.list_repositories(PageQuery())).entries


async def found(registry: StoredRegistry, race: Race, reference: str | Digest) -> str | None:
    try:
        manifest = await registry.get_manifest(race.repository, reference)
    except ManifestUnknown:
        return None
    digest = str(manifest.descriptor.digest)
    assert race.sent[digest] == manifest.content
    return digest


async def test_an_immutable_tag_has_exactly_one_winner(
    hosts: list[httpx.AsyncClient], show: Show, seconds: float
) -> None:
    race = SetOnce(hosts, seconds, tags=3, reads_by_tag=50, reads_of_nothing=10)
    await race.race()
    show(f"immutable tags: {race.verdict()}")
    assert race.counts["refused pushes"] == race.counts["tags"] * (race.writers - 1)


@pytest.mark.parametrize(
    "size, writers, readers, seconds",
    [
        (1000, 16, 8, SECONDS),
        (20 * 2**20, 8, 1, 0.0),
        pytest.param(1000, 16, 8, AT_NIGHT, marks=pytest.mark.nightly),
        pytest.param(20 * 2**20, 16, 8, AT_NIGHT, marks=pytest.mark.nightly),
    ],
    ids=["small", "20 MiB", "small, at night", "20 MiB, at night"],
)
async def test_one_blob_is_uploaded_mounted_and_read_at_once(
    *,
    hosts: list[httpx.AsyncClient],
    show: Show,
    size: int,
    writers: int,
    readers: int,
    seconds: float,
) -> None:
    race = SameBlob(
        hosts,
        seconds,
        size,
        writers=writers,
        readers=readers,
        uploads_by_PATCH=4,
        uploads_by_PUT=4,
        reads=1,
        reads_of_mounted=2,
    )
    await race.race()
    show(f"one blob in every way: {race.verdict()}")
