"""Microsoft's Bicep compiler, as the tests of `infra/` run it.

The files were formatted and the snapshots written by version 0.49.2. Another version works as well,
as long as it formats and predicts the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.house.tree import PROJECT

from .programs import program

# English texts need no ICU, and a short run gains nothing from profile-guided optimization.
_DOTNET = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "DOTNET_TieredPGO": "0"}


@cache
def compiler() -> str:
    """Return the path of the compiler; skip the test when it is missing, fail it in CI.

    It is looked for beside the project, on the PATH, and where `az bicep install` puts it.
    """
    candidates = (
        PROJECT.parent / "shared/bin/bicep",
        Path(shutil.which("bicep") or ""),
        Path.home() / ".azure/bin/bicep",
    )
    found = next((path for path in candidates if path.is_file()), None)
    return str(found) if found else program("bicep")


def bicep(*arguments: str, folder: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    """Run the compiler in a folder, whatever its exit code. Diagnostics are in `stderr`."""
    return subprocess.run(
        [compiler(), *arguments],
        cwd=folder,
        env={**os.environ, **_DOTNET},
        capture_output=True,
        text=True,
        check=False,
    )
