"""A stand-in for azd that keeps an environment in a file, with the commands that the hooks use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import PROJECT

_AZD = """#!{python}
import json, pathlib, re, stat, sys

path = pathlib.Path({folder!r}) / "values.json"
arguments = sys.argv[1:]
with open(path.with_name("arguments.txt"), "a") as seen:
    print(*arguments, file=seen)
if arguments[-2:-1] == ["--environment"]:
    arguments, name = arguments[:-2], arguments[-1]
    if name != "test":
        sys.exit(f"ERROR: environment {{name}} does not exist")
values = json.loads(path.read_text())
match arguments:
    case ["env", "get-values", "--output", "json"]:
        print(json.dumps(values))
    case ["env", "set", "--file", file]:
        given = pathlib.Path(file)
        if stat.S_IMODE(given.stat().st_mode) != 0o600:
            sys.exit("ERROR: others can read the file")
        line = re.fullmatch("([A-Z0-9_]+)='([A-Za-z0-9+/=]+)'\\n", given.read_text())
        if line is None:
            sys.exit("ERROR: neither .env files nor parameters can contain this value")
        if len(values) == {capacity}:
            sys.exit("ERROR: the disk is full")
        path.write_text(json.dumps({{**values, line[1]: line[2]}}))
    case _:
        sys.exit(f"ERROR: unknown command {{arguments}}")
"""


@dataclass
class Azd:
    """An azd environment called `test`, which can hold `capacity` values."""

    folder: Path
    capacity: int = 100

    def __post_init__(self) -> None:
        self.values = {}
        self.limit(self.capacity)

    def limit(self, capacity: int) -> None:
        """Make azd fail when more values than these would have to be stored."""
        program = self.folder / "azd"
        text = _AZD.format(python=sys.executable, folder=str(self.folder), capacity=capacity)
        program.write_text(text)
        program.chmod(0o755)

    @property
    def arguments(self) -> str:
        """All arguments that azd was started with so far, which every process can see."""
        return (self.folder / "arguments.txt").read_text()

    @property
    def values(self) -> dict[str, str]:
        stored: dict[str, str] = json.loads((self.folder / "values.json").read_text())
        return stored

    @values.setter
    def values(self, values: dict[str, str]) -> None:
        (self.folder / "values.json").write_text(json.dumps(values))

    def hook(
        self,
        *arguments: str,
        project: Path = PROJECT,
        python: str = sys.executable,
        temporary: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a hook as azd does: with azd on the PATH and the name of the environment set."""
        path = os.pathsep.join((str(self.folder), os.environ.get("PATH", "")))
        return subprocess.run(
            [python, "infra/azd_hooks.py", *arguments],
            cwd=project,
            env={
                **os.environ,
                "PATH": path,
                "AZURE_ENV_NAME": "test",
                "TMPDIR": str(temporary or self.folder),
            },
            capture_output=True,
            text=True,
            check=False,
        )
