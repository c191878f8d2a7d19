"""`moorage gc` is killed again and again; the next run ends as if it had not been."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping

import pytest

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.storage.stored_registry import StoredRegistry
from tests.e2e.conftest import only_nightly
from tests.e2e.soak.collector import Graces
from tests.e2e.soak.run import RULES, collect_all, settings
from tests.e2e.soak.stored import Stored, look_at
from tests.support.azurite import create_container, opened
from tests.support.content import (
    chunk,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
    random_bytes,
)
from tests.support.host import PROJECT

GRACES = Graces(grace=1, young=0, uploads=1, trash=0, rules=RULES)
_WRITES = {"": 25, "/_gc/marks/": 12}
"""From which path on, and after how many writes at most a collection is killed.

The second: after the run was saved for the first time. The next call continues it.
"""
_LAYERS = [random_bytes(1000, seed) for seed in range(6)]


async def fill(azurite: Azurite, container: str) -> None:
    """Push to repositories that keep and that expire what has no tag, and delete some of it."""
    async with opened(azurite, container) as store:
        registry = StoredRegistry(store)
        for name in ("one/kept", "one/expiring", "two/kept", "two/expiring"):
            for number in range(8):
                layers = [_LAYERS[number % 6], random_bytes(500, 100 + number)]
                await push_image(registry, name, f"v{number % 6}", layers)
                if number % 3 == 1:
                    await registry.delete_manifest(name, Digest.of(image_manifest(*layers)))
            child = image_manifest(*_LAYERS[:2], annotations={"of": "an index"})
            for content in _LAYERS[:2]:
                await push_blob(registry, name, content)
            await push_manifest(registry, name, Digest.of(child), child)
            await push_manifest(registry, name, "index", image_index(child))
            signature = image_manifest(subject=descriptor(child), artifactType="text/plain")
            await push_manifest(registry, name, Digest.of(signature), signature)
            await push_blob(registry, name, b"of no manifest")
            await registry.append_upload(await registry.start_upload(name), chunk(b"left behind"))
        await registry.delete_tag("one/expiring", "index")
        for tag in (await registry.list_tags("two/expiring", PageQuery())).entries:
            await registry.delete_tag("two/expiring", tag.name)


def run_gc(environment: Mapping[str, str], killed_after: int = 0, killed_from: str = "") -> int:
    """Run `moorage gc`, killed after so many writes, and return its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.soak.command", "gc", "--json"],
        cwd=PROJECT,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")},
            **environment,
            "SOAK_OPTIONS": GRACES.to_json(),
            "SOAK_KILLED_AFTER": str(killed_after),
            "SOAK_KILLED_FROM": killed_from,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    if done.returncode == 0:
        assert json.loads(done.stdout)["finished"]
    return done.returncode


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kills", [12, *only_nightly([60])])
def test_a_collection_that_is_killed_again_and_again_ends_as_any_other(
    azurite: Azurite, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed, disturbed = create_container(azurite), create_container(azurite)
    for container in (undisturbed, disturbed):
        asyncio.run(fill(azurite, container))
    before = look_at(azurite, disturbed)
    asyncio.run(collect_all(azurite, undisturbed, GRACES))

    chance = random.Random(5)
    environment = settings(azurite, disturbed)
    ends = []
    for _ in range(kills):
        begins, most = chance.choice(list(_WRITES.items()))
        ends.append(run_gc(environment, chance.randint(1, most), begins))
    assert run_gc(environment) == 0
    asyncio.run(collect_all(azurite, disturbed, GRACES))

    after = look_at(azurite, disturbed)
    expected = look_at(azurite, undisturbed)
    assert (after.paths, after.revisions, after.tags) == (
        expected.paths,
        expected.revisions,
        expected.tags,
    )
    killed = sum(code != 0 for code in ends)
    assert killed > kills / 2
    assert len(after.paths) < len(before.paths)
    check_reference(after)
    with capsys.disabled():
        sys.stdout.write(
            f"\nkilled {killed} times: of {len(before.paths)} objects {len(after.paths)} are left\n"
        )


def check_reference(stored: Stored) -> None:
    """Check that nothing is left but what tags lead to, or what is kept without a tag."""
    assert stored.contents == stored.referenced()
    assert {*stored.revisions} == {"one/kept", "one/expiring", "two/kept"}
    assert {*stored.revisions["one/expiring"]} == stored.live("one/expiring")
    assert not stored.work
