"""The contract for immutable tags: those that match `IMMUTABLE` cannot be moved or deleted."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from registry_core.registry import Registry
from registry_core.spec.digest import Digest
from registry_core.spec.errors import Denied
from tests.support.content import push_image, read_blob

from .common import DIGEST, LAYER, Snapshot

IMMUTABLE = "**:frozen"


async def assert_refused(call: Awaitable[object]) -> None:
    with pytest.raises(Denied, match="immutable") as error:
        await call
    assert error.value.http_status == 409


class ImmutableTags:
    """A tag that is not moved, and not deleted, nor anything that it needs."""

    pytestmark = pytest.mark.anyio

    async def test_an_immutable_tag_does_not_move(
        self, registry: Registry, snapshot: Snapshot
    ) -> None:
        pushed = await push_image(registry, "a", "frozen", [LAYER])
        await push_image(registry, "a", "other", [b"another layer"])
        other = await registry.get_manifest("a", "other")
        before = snapshot()
        await assert_refused(registry.push_manifest("a", other, ["frozen"]))
        await assert_refused(registry.push_manifest("a", other, ["new", "frozen"]))
        assert snapshot() == before
        assert await registry.resolve_manifest("a", "frozen") == pushed
        assert await push_image(registry, "a", "frozen", [LAYER]) == pushed

    async def test_nothing_that_an_immutable_tag_needs_is_deleted(
        self, registry: Registry, snapshot: Snapshot
    ) -> None:
        await push_image(registry, "a", "frozen", [LAYER])
        await push_image(registry, "a", "v1", [LAYER])
        before = set(snapshot())
        await assert_refused(registry.delete_tag("a", "frozen"))
        await assert_refused(registry.delete_manifest("a", DIGEST))
        await assert_refused(registry.delete_blob("a", Digest.of(LAYER)))
        assert set(snapshot()) == before, "links may be written anew, and say the same"
        for reference in ("frozen", "v1", DIGEST):
            assert (await registry.get_manifest("a", reference)).digest == DIGEST
        assert await registry.delete_tag("a", "v1") == DIGEST
        assert await read_blob(registry, "a", Digest.of(LAYER)) == LAYER
