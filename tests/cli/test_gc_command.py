"""`python -m registry_core gc` and `usage`, as people and scripts run them, against Azurite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.condemnation import CONDEMNED
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import container_client, opened
from tests.support.content import image_manifest, push_image
from tests.support.eventually import eventually

from .commands import CONTAINER, run, run_on_terminal

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
GARBAGE = b"nothing references it"
READ_ONLY = "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED"
AT_ONCE = {"REGISTRY_GC_YOUNG": "0"}
"""Condemn garbage of any age."""


async def fill(azurite: Azurite, container: str) -> None:
    """Push an image, and leave content that nothing references, by now of an earlier second."""
    async with opened(azurite, container) as store:
        await push_image(StoredRegistry(store), "a/b", "v1", [b"a layer"])
        path = LAYOUT.content(Digest.of(GARBAGE))
        await store.put(path, GARBAGE)
        written = (await store.head(path)).last_modified

        async def is_past() -> bool:
            now = (await store.head(path)).answered
            return now is not None and now > written

        await eventually(is_past)


def condemned(azurite: Azurite, container: str) -> set[str]:
    with container_client(azurite, container) as client:
        blobs = client.list_blobs(include=["metadata"])
        return {blob.name for blob in blobs if CONDEMNED in (blob.metadata or {})}


def document_of(settings: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(settings, *arguments, "--json").stdout)
    return document


async def test_an_empty_container_has_no_garbage(settings: dict[str, str]) -> None:
    ran = run(settings, "gc")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1] == "complete"


async def test_a_dry_run_says_what_would_go_and_changes_nothing(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    with container_client(azurite, container_name) as client:
        before = {blob.name: blob.etag for blob in client.list_blobs()}
        ran = run(settings | AT_ONCE, "gc", "--dry-run")
        assert {blob.name: blob.etag for blob in client.list_blobs()} == before
    assert (ran.returncode, ran.stderr) == (0, "")
    path = LAYOUT.content(Digest.of(GARBAGE)).removeprefix(LAYOUT.base)
    assert "would be condemned now, and deleted later: 1" in ran.stdout
    assert f"  {path} ({len(GARBAGE)} bytes): " in ran.stdout


@pytest.mark.parametrize("option", [[], ["--pardon-all"]])
async def test_a_read_only_registry_permits_a_dry_run_only(
    azurite: Azurite, container_name: str, settings: dict[str, str], option: list[str]
) -> None:
    await fill(azurite, container_name)
    read_only = {"REGISTRY_GC_ENABLED": "true", READ_ONLY: "true"}
    ran = run(settings | AT_ONCE | read_only, "gc", *option)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"registry: this registry is read-only at present ({READ_ONLY})\n"
    assert not condemned(azurite, container_name)
    assert run(settings | AT_ONCE | read_only, "gc", "--dry-run").returncode == 0


async def test_garbage_is_condemned_then_waits_and_can_be_pardoned(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    path = LAYOUT.content(Digest.of(GARBAGE))
    document = document_of(settings | AT_ONCE, "gc")
    assert (document["container"], document["finished"]) == (container_name, True)
    assert document["parts"]["content"]["condemned"] == 1
    assert condemned(azurite, container_name) == {path}

    assert document_of(settings | AT_ONCE, "gc")["parts"]["content"]["waiting"] == 1

    ran = run(settings | {"REGISTRY_GC_ENABLED": "true"}, "gc", "--pardon-all")
    assert (ran.returncode, ran.stdout) == (
        0,
        f"container {container_name}: pardoned 1; nothing is condemned any more\n",
    )
    assert ran.stderr == (
        "registry: REGISTRY_GC_ENABLED is true: the next run condemns garbage again\n"
    )
    assert condemned(azurite, container_name) == set()
    assert document_of(settings, "gc", "--pardon-all") == {
        "container": container_name,
        "pardoned": 0,
    }


async def test_what_cannot_be_judged_is_explained_and_an_exit_code(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    with container_client(azurite, container_name) as client:
        client.delete_blob(LAYOUT.content(Digest.of(image_manifest(b"a layer"))))
    ran = run(settings | AT_ONCE, "gc")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "repositories in which nothing is judged: 1\n  a/b: " in ran.stdout
    assert ran.stdout.splitlines()[-1] == "complete, except for what is said above"


async def test_progress_bars_are_shown_on_a_terminal(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    """On standard error, so that the report can be piped."""
    await fill(azurite, container_name)
    printed, drawn = run_on_terminal(settings, "gc", "--json")
    assert "repositories" in drawn
    assert json.loads(printed)["finished"]


async def test_usage_is_what_the_last_run_has_found(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    assert run(settings | AT_ONCE, "gc").returncode == 0
    ran = run(settings, "usage")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0].startswith(f"container {container_name} as of ")
    assert lines[1] == "repositories 1, tags 1, manifests 1"
    assert lines[-1].startswith("a/b ")

    document = document_of(settings, "usage")
    assert (document["container"], document["repositories"]) == (container_name, 1)
    assert document["garbage"] == {"number": 1, "bytes": len(GARBAGE)}
    assert document["condemned"] == {"number": 1, "bytes": len(GARBAGE)}
    assert document["by_repository"]["a/b"]["manifests"] == 1


async def test_usage_before_the_first_run_says_what_to_do(settings: dict[str, str]) -> None:
    ran = run(settings, "usage", "--json")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        f"registry: container {settings[CONTAINER]}: no collection of garbage has finished yet; "
        "run `python -m registry_core gc`, or set REGISTRY_GC_ENABLED\n"
    )
