"""infra/ has no mistake that can be found without Azure."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.bicep import check, read_template
from tests.support.bicep.security import MUSTS

from .project import PROJECT, copy_project


def test_infra_has_no_mistakes() -> None:
    assert [str(problem) for problem in check(PROJECT)] == []


def test_every_bicep_file_is_looked_at() -> None:
    """No file is left out, and none is read as empty."""
    template, problems = read_template(PROJECT / "infra")
    files = {path.relative_to(PROJECT / "infra") for path in PROJECT.glob("infra/**/*.bicep")}
    assert problems == []
    assert {str(path) for path in files} == set(template.files)
    assert all(file.declarations for file in template.files.values())


def test_each_rule_of_security_has_something_to_hold_for() -> None:
    """A type that is deployed no more would leave its rules idle."""
    template, _ = read_template(PROJECT / "infra")
    deployed = {resource.type for _, resource in template.resources() if not resource.existing}
    assert set(MUSTS) - deployed == set()


def test_requests_keep_their_paths_and_streams_under_the_host() -> None:
    """host.json leaves out the prefix `api`, and does not ask for bodies that are read whole."""
    settings = json.loads((PROJECT / "host.json").read_text())
    assert settings["version"] == "2.0"
    assert settings["extensions"]["http"]["routePrefix"] == ""
    assert "enableChunkedRequestBinding" not in json.dumps(settings)


def test_a_copy_is_as_right_as_the_original(tmp_path: Path) -> None:
    """So that what is found in the changed copies of the other tests is what was changed."""
    assert check(copy_project(tmp_path)) == []
