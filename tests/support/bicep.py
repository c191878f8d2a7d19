"""Microsoft's Bicep compiler, as the tests of `infra/` run it.

`VERSION` is the version that formatted the files and wrote the snapshots. Another one works too, as
long as it formats and predicts the same.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.house.tree import PROJECT

from .clients import program

VERSION = "0.49.2"

SNAPSHOT_CONTEXT = (
    *("--subscription-id", "11111111-1111-1111-1111-111111111111"),
    *("--tenant-id", "22222222-2222-2222-2222-222222222222"),
    *("--location", "westeurope"),
    *("--deployment-name", "sample"),
)
"""What a snapshot takes from the deployment rather than from the parameters."""


@cache
def compiler() -> str:
    """Return the path of the compiler; skip the test when it is missing, fail it in CI.

    Beside the project, on the PATH, or where `az bicep install` puts it.
    """
    candidates = (
        PROJECT.parent / "shared/bin/bicep",
        Path(shutil.which("bicep") or ""),
        Path.home() / ".azure/bin/bicep",
    )
    found = next((path for path in candidates if path.is_file()), None)
    return str(found) if found else program("bicep")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the compiler in the project's folder and return its output, whatever its exit code."""
    return subprocess.run(
        [compiler(), *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
