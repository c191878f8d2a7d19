"""The lifecycle rule deletes abandoned uploads, and cannot delete anything else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from registry_core.config import read_settings
from registry_core.config import table as config
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.root import LEADING_SLASH, PLAIN
from tests.house.tree import PROJECT

from .snapshots import SETTINGS, deployment, predict

DIGEST = Digest.of(b"")


def prefix(name: str = "default") -> str:
    """What the only rule applies to, with the container's name in front."""
    policy = deployment(name).one("Microsoft.Storage/storageAccounts/managementPolicies")
    return prefix_of(policy.properties)


def prefix_of(properties: dict[str, Any]) -> str:
    (rule,) = properties["policy"]["rules"]
    assert (rule["enabled"], rule["type"]) == (True, "Lifecycle")
    assert rule["definition"]["filters"]["blobTypes"] == ["blockBlob"]
    assert rule["definition"]["actions"] == {
        "baseBlob": {"delete": {"daysAfterModificationGreaterThan": 7}}
    }
    (found,) = rule["definition"]["filters"]["prefixMatch"]
    assert isinstance(found, str)
    return found


def test_the_rule_applies_to_all_uploads() -> None:
    """With paths as a new container has them."""
    assert prefix() == f"registry/{Layout(PLAIN).uploads}"


def test_the_documented_command_makes_the_same_rule() -> None:
    document = (PROJECT / "docs/deploy.md").read_text()
    [made] = re.findall(r"management-policy create .* --policy '(\{(?s:.*?)\})'\n", document)
    assert prefix_of({"policy": json.loads(made)}) == prefix()


def test_the_rule_applies_to_the_folder_that_the_registry_uses() -> None:
    root = read_settings(deployment("options").environment()).root
    assert root == "some/folder/"
    assert prefix("options") == f"registry/{Layout(root).uploads}"


@pytest.mark.parametrize("setting", [".", "/", "folder", "/a/b/"])
def test_the_rule_reads_the_setting_as_the_registry_does(setting: str, templates: Path) -> None:
    parameters = templates / SETTINGS.relative_to(PROJECT) / "default.bicepparam"
    extra = f"param registrySettings = {{ {config.ROOT_DIRECTORY}: '{setting}' }}\n"
    parameters.write_text(parameters.read_text() + extra)

    predicted = json.loads(predict("default", parameters.parent))["predictedResources"]

    [policy] = [one for one in predicted if one["type"].endswith("/managementPolicies")]
    root = read_settings(deployment().environment() | {config.ROOT_DIRECTORY: setting}).root
    assert root is not None
    assert prefix_of(policy["properties"]) == f"registry/{Layout(root).uploads}"


@pytest.mark.parametrize("root", [PLAIN, LEADING_SLASH])
@pytest.mark.parametrize("name", ["a", "_uploads", "docker/registry/v2/x"])
def test_the_rule_applies_to_nothing_that_was_pushed(root: str, name: str) -> None:
    """Whatever the name of the repository."""
    layout = Layout(root)
    kept = [
        layout.content(DIGEST),
        layout.blob_link(name, DIGEST),
        layout.revision_link(name, DIGEST),
        layout.tag_link(name, "v1"),
        layout.tag_index_link(name, "v1", DIGEST),
        layout.referrer_link(name, DIGEST, DIGEST),
        layout.catalog_marker(name),
        layout.replacing(name),
        layout.personal_key(name),
    ]
    assert [path for path in kept if f"registry/{path}".startswith(prefix())] == []


def test_an_existing_account_keeps_its_own_rules() -> None:
    policies = "Microsoft.Storage/storageAccounts/managementPolicies"
    assert deployment("existing-account").all(policies) == []
