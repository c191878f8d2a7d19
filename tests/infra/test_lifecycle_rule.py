"""Storage deletes uploads that nobody finishes, and cannot delete anything else."""

from __future__ import annotations

import re

import pytest

from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.root import LEADING_SLASH, PLAIN
from tests.house.tree import PROJECT

DIGEST = Digest.of(b"")


def rules_prefixes(container: str) -> list[str]:
    """What the template's lifecycle rules apply to, the container's name in front."""
    text = (PROJECT / "infra/modules/registry-storage.bicep").read_text()
    lists = re.findall(r"prefixMatch: \[(.*)\]", text)
    assert len(lists) == text.count("type: 'Lifecycle'") == 1
    return [item.replace("${containerName}", container) for item in re.findall("'(.*?)'", lists[0])]


def test_the_rule_is_for_all_uploads() -> None:
    """Of the form of names that a new container has."""
    assert rules_prefixes("registry") == [f"registry/{Layout(PLAIN).uploads}"]


@pytest.mark.parametrize("root", [PLAIN, LEADING_SLASH])
@pytest.mark.parametrize("name", ["a", "_uploads", "docker/registry/v2/x"])
def test_no_rule_touches_what_was_pushed(root: str, name: str) -> None:
    """Whatever a repository is called."""
    layout = Layout(root)
    [prefix] = rules_prefixes("registry")
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
    assert [path for path in kept if f"registry/{path}".startswith(prefix)] == []
