"""A copy of the templates, since the compiler writes its results beside what it reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.house.tree import PROJECT
from tests.support.bicep import bicep

from .snapshots import SETTINGS


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """The folder of a copy that has `infra/` and the settings where the project has them."""
    shutil.copytree(PROJECT / "infra", tmp_path / "infra")
    shutil.copytree(SETTINGS, tmp_path / SETTINGS.relative_to(PROJECT))
    return tmp_path


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """`infra/main.bicep`, compiled to an ARM template. It compiles without a warning."""
    ran = bicep("build", "infra/main.bicep", "--stdout")
    assert (ran.returncode, ran.stderr) == (0, "")
    compiled: dict[str, Any] = json.loads(ran.stdout)
    return compiled
