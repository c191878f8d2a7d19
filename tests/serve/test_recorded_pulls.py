"""The local server records what is pulled from it, in Azurite, and the record is merged."""

from __future__ import annotations

import time

import pytest

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.pulls import DAY, merge_pulls
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import everything_in, opened
from tests.support.content import image_manifest, push_image
from tests.support.eventually import until
from tests.support.host import start_host
from tests.support.wire import over_http

pytestmark = pytest.mark.anyio

LAYER = b"a layer"
DIGEST = Digest.of(image_manifest(LAYER))


async def test_what_was_pulled_is_written_in_seconds_and_at_the_end_and_merged(
    azurite: Azurite, container_name: str
) -> None:
    async with opened(azurite, container_name) as store:
        for tag in ("v1", "v2", "v3"):
            await push_image(StoredRegistry(store), "a/b", tag, [LAYER])
        await merge_pulls(store, Layout(), now=time.time() - DAY)

    def records() -> list[str]:
        prefix = Layout().pulls
        found = (blob.path for blob in everything_in(azurite, container_name))
        return [path for path in found if path.startswith(prefix) and "summary" not in path]

    began = int(time.time())
    environment = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container_name,
        "REGISTRY_PULLS_RECORD": "true",
    }
    with start_host(environment) as host:
        async with over_http(host.url) as client:
            assert (await client.get("/v2/a/b/manifests/v1")).status_code == 200
            until(lambda: records() != [])
            assert (await client.head("/v2/a/b/manifests/v2")).status_code == 200
        assert host.stop() == 0

    async with opened(azurite, container_name) as store:
        for now in (time.time(), time.time() + DAY, time.time() + 2 * DAY):
            summary = await merge_pulls(store, Layout(), now=now)
            pulled = [summary.tag("a/b", tag) or 0 for tag in ("v1", "v2", "v3")]
            assert min(pulled[:2]) >= began > pulled[2]
            assert (summary.manifest("a/b", DIGEST) or 0) >= began
    assert records() == []
