"""`moorage retention preview` as people and scripts run it, against Azurite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import container_client, opened
from tests.support.content import image_manifest, push_image

from .commands import run

pytestmark = pytest.mark.anyio

LAYER = b"a layer"
RULES = """\
[[keep]]
on = ["team/**"]
tags = ["v*"]
newest = 1

[[expire]]
on = ["**"]
tags = ["*"]
after = "0"
"""
AT_ONCE = {"REGISTRY_GC_YOUNG": "0", "REGISTRY_RETENTION_RULES": RULES}
AFTER, NEWEST = "[[expire]] at line 6: after 0", "[[keep]] at line 1: newest 1"


async def fill(azurite: Azurite, container: str) -> None:
    async with opened(azurite, container) as store:
        registry = StoredRegistry(store)
        for repository, tag in (("team/app", "v1"), ("team/app", "v2"), ("ci", "main")):
            await push_image(registry, repository, tag, [LAYER])


def tags_in(azurite: Azurite, container: str) -> list[str]:
    with container_client(azurite, container) as client:
        names = [blob.name for blob in client.list_blobs()]
    return sorted(name.split("/")[-3] for name in names if name.endswith("/current/link"))


async def test_what_goes_is_shown_with_the_rules_and_nothing_is_changed(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    with container_client(azurite, container_name) as client:
        before = {blob.name: blob.etag for blob in client.list_blobs()}
        ran = run(settings | AT_ONCE, "retention", "preview", "--kept")
        assert {blob.name: blob.etag for blob in client.list_blobs()} == before
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[:6] == [
        f"container {container_name}:",
        "ci: 1 of 1 tags, 0 of 0 untagged manifests",
        f"  main  {AFTER}",
        "team/app: 1 of 2 tags, 0 of 0 untagged manifests",
        f"  v1  {AFTER}",
        f"  v2  kept: {NEWEST}",
    ]
    assert "would go: tags 2, untagged manifests 0" in lines
    assert lines[-1] == "REGISTRY_GC_ENABLED is not true: nothing goes until it is, or `gc` is run"
    read_only = "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED"
    ran = run(settings | AT_ONCE | {read_only: "true"}, "retention", "preview")
    assert ran.stdout.endswith(f"\n{read_only} is true: nothing goes until it is removed\n")


async def test_some_repositories_are_shown_as_a_document(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    ran = run(settings | AT_ONCE, "retention", "preview", "--json", "--repository", "c*")
    assert (ran.returncode, ran.stderr) == (0, "")
    document = json.loads(ran.stdout)
    assert (document["container"], document["version"]) == (container_name, 1)
    assert document["repositories"] == {
        "ci": {
            "tags": {"number": 1, "expired": [{"subject": "main", "rule": AFTER}]},
            "untagged": {"number": 0, "expired": []},
        }
    }


async def test_a_repository_that_cannot_be_judged_is_an_exit_code(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    with container_client(azurite, container_name) as client:
        client.delete_blob(Layout().content(Digest.of(image_manifest(LAYER))))
    ran = run(settings | AT_ONCE, "retention", "preview")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "ci: cannot be judged: the content of manifest sha256:" in ran.stdout
    assert "would go: tags 0, untagged manifests 0" in ran.stdout


def test_bad_rules_are_lines_that_say_where_and_what(
    settings: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "retention.toml"
    file.write_text(RULES.replace("newest = 1", "newest = 0").replace('"0"', '"0 days"'))
    ran = run(settings | {"REGISTRY_RETENTION_RULES": str(file)}, "retention", "preview")
    assert (ran.returncode, ran.stdout) == (2, "")
    prefix = f"registry: REGISTRY_RETENTION_RULES: {file}"
    assert ran.stderr.splitlines() == [
        f"{prefix}:4: newest must be a whole number of at least 1",
        f"{prefix}:9: after: '0 days' is not a duration, such as 12h, 14d or 2w",
    ]
