"""What CI runs from elsewhere is pinned to a commit: a tag or a branch can be moved."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.house.tree import PROJECT, tracked

WORKFLOWS = [path.as_posix() for path in tracked(".github/workflows/*.yml")]
_USES = re.compile(r"(?m)^.*\buses: *(\S+)(.*)$")


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_actions_are_pinned_to_a_commit_and_name_its_version(workflow: str) -> None:
    used = _USES.findall((PROJECT / workflow).read_text())
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # (v\d+\.\d+\.\d+|main of \d{4}-\d\d-\d\d)", comment)


def test_each_action_has_one_version() -> None:
    texts = [(PROJECT / workflow).read_text() for workflow in WORKFLOWS]
    used = {action for text in texts for action, _ in _USES.findall(text)}
    assert len({action.partition("@")[0] for action in used}) == len(used)


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_workflows_can_read_the_repository_and_nothing_else(workflow: str) -> None:
    parsed = yaml.safe_load((PROJECT / workflow).read_text())
    assert parsed["permissions"] == {"contents": "read"}
    assert [job for job in parsed["jobs"].values() if "permissions" in job] == []
