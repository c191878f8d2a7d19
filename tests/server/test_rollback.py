"""A tag is set back by a plain PUT of the earlier manifest's bytes."""

from __future__ import annotations

import httpx
import pytest

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.globs import TagGlobs
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio


def connect(memory: MemoryStore, immutable: str = "") -> Wire:
    settings = Settings(
        AzureStorage("unused"),
        "a secret for tests, long enough",
        redirect=False,
        immutable_tags=TagGlobs.parse(immutable),
    )
    app = build_application(settings, build_registry(settings, memory))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a.test")
    return Wire(client, "a/b", lambda: set(memory.objects))


async def test_a_push_of_an_earlier_manifest_sets_the_tag_back() -> None:
    """Its bytes come from the registry, by the digest that the history has."""
    memory = MemoryStore()
    wire = connect(memory)
    first = Digest.of(await wire.push_image("v1", b"a layer"))
    second = Digest.of(await wire.push_image("v1", b"another layer"))

    earlier = await wire.client.get(f"{wire.base}/manifests/{first}")
    media_type = earlier.headers["Content-Type"]
    answer = await wire.put_manifest("v1", earlier.content, media_type)
    assert (answer.status_code, answer.headers["Docker-Content-Digest"]) == (201, str(first))

    found = await StoredRegistry(memory).history.of_tag("a/b", "v1")
    assert [(target.digest, target.is_current) for target in found] == [
        (first, True),
        (second, False),
    ]


async def test_an_immutable_tag_is_not_set_back() -> None:
    memory = MemoryStore()
    first = await connect(memory).push_image("v1", b"a layer")
    second = Digest.of(await connect(memory).push_image("v1", b"another layer"))
    wire = connect(memory, "a/b:v*")
    assert_error(await wire.put_manifest("v1", first), 409, "DENIED")
    answer = await wire.client.head(f"{wire.base}/manifests/v1")
    assert answer.headers["Docker-Content-Digest"] == str(second)
