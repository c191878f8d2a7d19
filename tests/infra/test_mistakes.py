"""The checks of infra/ find mistakes: what passes them was not merely looked over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bicep import check

from .mistakes import Mistake
from .mistakes_in_language import LANGUAGE
from .mistakes_in_resources import RESOURCES
from .mistakes_in_settings import SETTINGS
from .project import copy_project

MISTAKES = (*LANGUAGE, *RESOURCES, *SETTINGS)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_where_it_is(mistake: Mistake, tmp_path: Path) -> None:
    """By file and line, with a word of what would be right."""
    line = mistake.make(copy_project(tmp_path))
    found = [str(problem) for problem in check(tmp_path)]
    place = f"{mistake.found_in}:{line}: "
    assert [one for one in found if one.startswith(place) and mistake.message in one], found
