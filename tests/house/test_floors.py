"""A lower floor never imports an upper one, nor its neighbour."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from .tree import PROJECT

LINT_IMPORTS = Path(sysconfig.get_path("scripts")) / "lint-imports"


def test_the_project_keeps_to_its_floors() -> None:
    """The contracts in pyproject.toml hold."""
    checked = lint_imports(PROJECT)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    "module, statement",
    [
        ("spec/names.py", "from registry_core import registry"),
        ("storage/layout.py", "from ..server import errors"),
        ("server/urls.py", "from .. import config"),
        ("app.py", "from .serve import azurite"),
        ("app.py", "import function_app"),
        ("a_room_of_its_own.py", "import re"),
    ],
)
def test_an_import_against_the_floors_is_refused(
    tmp_path: Path, module: str, statement: str
) -> None:
    """One such import, wherever it stands, fails the check; so does a module without a floor."""
    for name in ("pyproject.toml", "function_app.py"):
        shutil.copy(PROJECT / name, tmp_path)
    unbuilt = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "registry_core", tmp_path / "registry_core", ignore=unbuilt)
    with (tmp_path / "registry_core" / module).open("a") as source:
        source.write(f"\n{statement}\n")

    checked = lint_imports(tmp_path)

    assert checked.returncode == 1, checked.stdout
    assert Path(module).stem in checked.stdout


def lint_imports(project: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINT_IMPORTS), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env={})
