"""The contract for preconditions: tags that move, or go, only if they are what was expected."""

from __future__ import annotations

import pytest

from registry_core.registry import Registry
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.spec.manifest import parse_manifest
from registry_core.spec.preconditions import Precondition, PreconditionFailed
from tests.support.content import image_manifest, push_image

from .common import Snapshot

FIRST, SECOND = image_manifest(b"first"), image_manifest(b"second")
OF_FIRST, OF_SECOND = Digest.of(FIRST), Digest.of(SECOND)
NEW = Precondition.parse(None, "*")
OLD = Precondition.parse(f'"{OF_FIRST}"', None)


async def push_both(registry: Registry) -> None:
    await push_image(registry, "a", "first", [b"first"])
    await push_image(registry, "a", "second", [b"second"])


async def push(
    registry: Registry, content: bytes, precondition: Precondition | None = None
) -> None:
    await registry.push_manifest("a", parse_manifest(content), ["v1"], precondition)


async def target(registry: Registry) -> Digest:
    return (await registry.resolve_manifest("a", "v1")).digest


class Preconditions:
    """Pushes and deletions on a condition."""

    pytestmark = pytest.mark.anyio

    async def test_a_tag_is_created_only_if_it_does_not_exist(self, registry: Registry) -> None:
        await push_both(registry)
        await push(registry, FIRST, NEW)
        with pytest.raises(PreconditionFailed):
            await push(registry, SECOND, NEW)
        assert await target(registry) == OF_FIRST

    async def test_a_tag_moves_only_from_where_it_was_expected(self, registry: Registry) -> None:
        await push_both(registry)
        with pytest.raises(PreconditionFailed):
            await push(registry, SECOND, OLD)
        await push(registry, FIRST)
        await push(registry, SECOND, OLD)
        assert await target(registry) == OF_SECOND
        with pytest.raises(PreconditionFailed):
            await push(registry, FIRST, OLD)

    async def test_what_is_refused_leaves_nothing(
        self, registry: Registry, snapshot: Snapshot
    ) -> None:
        await push_both(registry)
        await push(registry, FIRST)
        before = snapshot()
        with pytest.raises(PreconditionFailed):
            await push(registry, SECOND, NEW)
        assert snapshot() == before

    async def test_a_precondition_concerns_the_first_tag(self, registry: Registry) -> None:
        await push_both(registry)
        await registry.push_manifest("a", parse_manifest(SECOND), ["v1", "first"], NEW)
        assert (await registry.resolve_manifest("a", "first")).digest == OF_SECOND

    async def test_a_tag_is_deleted_only_if_it_points_where_it_was_expected(
        self, registry: Registry, snapshot: Snapshot
    ) -> None:
        await push_both(registry)
        await push(registry, SECOND)
        before = snapshot()
        for precondition in (OLD, NEW):
            with pytest.raises(PreconditionFailed):
                await registry.delete_tag("a", "v1", precondition)
        assert snapshot() == before
        await push(registry, FIRST)
        assert await registry.delete_tag("a", "v1", OLD) == OF_FIRST
        with pytest.raises(ManifestUnknown):
            await registry.delete_tag("a", "v1", OLD)
