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
import json, pathlib, re, sys

path = pathlib.Path({folder!r}) / "values.json"
arguments = sys.argv[1:]
if arguments[-2:-1] == ["--environment"]:
    arguments, name = arguments[:-2], arguments[-1]
    if name != "test":
        sys.exit(f"ERROR: environment {{name}} does not exist")
values = json.loads(path.read_text())
match arguments:
    case ["env", "get-values", "--output", "json"]:
        print(json.dumps(values))
    case ["env", "set", name, value]:
        if not re.fullmatch("[A-Za-z0-9+/=]+", value):
            sys.exit("ERROR: neither .env files nor parameters can contain this value")
        if len(values) == {capacity}:
            sys.exit("ERROR: the disk is full")
        path.write_text(json.dumps({{**values, name: value}}))
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
    def values(self) -> dict[str, str]:
        stored: dict[str, str] = json.loads((self.folder / "values.json").read_text())
        return stored

    @values.setter
    def values(self, values: dict[str, str]) -> None:
        (self.folder / "values.json").write_text(json.dumps(values))

    def hook(
        self, *arguments: str, project: Path = PROJECT, python: str = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        """Run a hook as azd does: with azd on the PATH and the name of the environment set."""
        path = os.pathsep.join((str(self.folder), os.environ.get("PATH", "")))
        return subprocess.run(
            [python, "infra/azd_hooks.py", *arguments],
            cwd=project,
            env={**os.environ, "PATH": path, "AZURE_ENV_NAME": "test"},
            capture_output=True,
            text=True,
            check=False,
        )
