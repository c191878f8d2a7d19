"""Our collection of garbage in what distribution wrote: all that is referenced stays, for both."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from registry_core.maintenance.gc import GcOptions, GcReport, collect
from registry_core.object_store.azure import AzureBlobStore
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from tests.e2e.clients import ImageClient
from tests.e2e.conftest import only_nightly
from tests.e2e.images import noise_image
from tests.e2e.soak.stored import Stored, look_at
from tests.e2e.takeover.conftest import LOADS
from tests.e2e.takeover.contents import (
    ALONE,
    Filled,
    delete,
    head,
    leave_upload,
    pull_all,
    push_blob,
    push_manifest,
    tags_of,
)
from tests.e2e.takeover.distribution import Distribution
from tests.e2e.takeover.trees import load_changes, load_tree, write_tree
from tests.support.azure_answers import AzureAnswers
from tests.support.azurite import create_container
from tests.support.content import CONFIG, image_manifest
from tests.support.host import start_host

pytestmark = pytest.mark.anyio

GRACE = timedelta(seconds=2)
_RUNS = 30
_CLUTTER = ("clutter/app", "v1")


@dataclass(frozen=True)
class Collected:
    """A container that distribution wrote, and how our collection reaches it."""

    azurite: Azurite
    connection: str
    container: str
    root: str

    async def collect(self, *, shared: bool | None = None) -> GcReport:
        """Do one run, whose grace is `GRACE`."""
        options = GcOptions(
            grace=GRACE,
            young=timedelta(),
            shared=shared,
            upload_age=timedelta(),
            trash_age=timedelta(),
        )
        store = AzureBlobStore.from_connection_string(self.connection, self.container)
        try:
            return await collect(store, Layout(self.root), options, on_progress=lambda _: None)
        finally:
            await store.close()

    async def collect_all(self, *, shared: bool | None = None) -> Stored:
        """Do runs until nothing is left to delete. Returns what the container has then."""
        before: set[str] = set()
        for _ in range(_RUNS):
            report = await self.collect(shared=shared)
            assert not report.unswept
            assert not report.opaque
            assert not report.content_kept
            stored = self.look()
            if stored.paths == before and not stored.condemned:
                return stored
            before = stored.paths
            time.sleep(GRACE.total_seconds() / 2)
        raise AssertionError(f"still changing; condemned: {stored.condemned}")

    def look(self) -> Stored:
        return look_at(self.azurite, self.container, self.root)


@pytest.fixture(scope="module")
def cluttered(
    filled: Filled, skopeo: ImageClient, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return distribution's files with more garbage: a deleted image, and an upload left behind."""
    folder = tmp_path_factory.mktemp("cluttered") / "distribution"
    shutil.copytree(filled.folder, folder)
    image = noise_image(folder.parent / "image", 3 << 20)
    repository, tag = _CLUTTER
    with Distribution(folder) as authority:
        skopeo.push(image, f"{authority}/{repository}:{tag}")
        delete(authority, repository, image.digest)
        leave_upload(authority, repository)
    return folder


@pytest.fixture(params=["v2-appends", *only_nightly(sorted({*LOADS} - {"v2-appends"}))])
def collected(
    request: pytest.FixtureRequest, azurite: Azurite, cluttered: Path
) -> Iterator[Collected]:
    """Load distribution's files into a container."""
    load = LOADS[request.param]
    container = create_container(azurite)
    load_tree(azurite, container, cluttered, root=load.root, append=load.append)
    with ExitStack() as stack:
        storage = stack.enter_context(AzureAnswers(azurite)) if load.append else azurite
        yield Collected(azurite, storage.connection_string, container, load.root)


@pytest.mark.timeout(240)
async def test_all_that_distribution_references_stays_and_its_garbage_goes(
    collected: Collected,
    filled: Filled,
    skopeo: ImageClient,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both registries serve the container afterwards as distribution did before."""
    before = collected.look()
    after = await collected.collect_all(shared=False)
    with capsys.disabled():
        sys.stdout.write(
            f"\nbefore {before.objects} objects, {before.size} bytes of content; "
            f"after {after.objects} objects, {after.size} bytes\n"
        )
    assert before.size - after.size > 3 << 20
    assert after.revisions == before.revisions
    assert after.tags == before.tags
    assert after.contents <= after.referenced()
    assert not after.work
    check_served_by_us(collected, filled, skopeo)
    distribution = Distribution(tmp_path / "distribution")
    write_tree(collected.azurite, collected.container, distribution.folder, root=collected.root)
    assert "eligible for deletion: " not in distribution.collect_garbage(dry_run=True)
    with distribution as authority:
        check_served(authority, filled, skopeo)


@pytest.mark.timeout(240)
async def test_nothing_is_deleted_while_distribution_writes(
    collected: Collected,
    cluttered: Path,
    filled: Filled,
    skopeo: ImageClient,
    tmp_path: Path,
) -> None:
    """It relies on what is condemned, and takes no mark off."""
    time.sleep(GRACE.total_seconds() + 1)
    condemning = await collected.collect(shared=None)
    assert not condemning.unswept
    alone = Layout(collected.root).blob_link("blobs/only", Digest.of(ALONE))
    assert any(path.endswith(alone) for path in collected.look().condemned)
    time.sleep(GRACE.total_seconds() + 1)

    folder = tmp_path / "distribution"
    shutil.copytree(cluttered, folder)
    since = time.time()
    with Distribution(folder) as authority:
        push_blob(authority, "blobs/only", CONFIG)
        push_manifest(authority, "blobs/only", "v1", image_manifest(ALONE))
    load_changes(collected.azurite, collected.container, folder, root=collected.root, since=since)
    sweeping = await collected.collect(shared=None)
    assert "REGISTRY_GC_SHARED" in sweeping.unswept
    assert sweeping.deleted_bytes == 0
    time.sleep(GRACE.total_seconds() + 1)

    after = await collected.collect_all(shared=None)
    assert str(Digest.of(ALONE)) in after.contents
    with Distribution(_written(collected, tmp_path / "given-back")) as authority:
        check_served(authority, filled, skopeo)
        assert head(authority, "blobs/only", "v1").status_code == 200
        answer = httpx.get(f"http://{authority}/v2/blobs/only/blobs/{Digest.of(ALONE)}")
        assert answer.content == ALONE
    check_served_by_us(collected, filled, skopeo)


def check_served_by_us(collected: Collected, filled: Filled, skopeo: ImageClient) -> None:
    """Check that our registry serves what distribution did."""
    settings = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": collected.connection,
        "REGISTRY_STORAGE_AZURE_CONTAINER": collected.container,
        "REGISTRY_HTTP_SECRET": "a secret of the takeover, long enough",
    }
    with start_host(settings) as host:
        check_served(f"127.0.0.1:{host.port}", filled, skopeo)


def check_served(authority: str, filled: Filled, skopeo: ImageClient) -> None:
    """Check that a registry serves what distribution did: images, tags, other manifests."""
    assert pull_all(skopeo, authority, filled.pulled) == filled.pulled
    assert {name: tags_of(authority, name) for name in filled.tags} == filled.tags
    for repository, digest in (("signed/app", filled.signature), ("schema/app", filled.schema_1)):
        assert head(authority, repository, digest).status_code == 200


def _written(collected: Collected, folder: Path) -> Path:
    write_tree(collected.azurite, collected.container, folder, root=collected.root)
    return folder
