"""The project as azd sees it, and copies of it that may be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

PROJECT = Path(__file__).parents[2]
_SEEN_BY_AZD = ("azure.yaml", "host.json", "function_app.py")


def copy_project(folder: Path) -> Path:
    """What azd looks at, copied into ``folder``."""
    for name in _SEEN_BY_AZD:
        shutil.copy(PROJECT / name, folder / name)
    shutil.copytree(PROJECT / "infra", folder / "infra")
    return folder
