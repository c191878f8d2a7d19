"""A program called azd that keeps an environment in a file, as far as the hooks use azd."""

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
            sys.exit("ERROR: a value that .env files or parameters would not carry")
        if len(values) == {room}:
            sys.exit("ERROR: the disk is full")
        path.write_text(json.dumps({{**values, name: value}}))
    case _:
        sys.exit(f"ERROR: unknown command {{arguments}}")
"""


@dataclass
class Azd:
    """An azd environment called test. ``room``: how many values can be kept in it."""

    folder: Path
    room: int = 100

    def __post_init__(self) -> None:
        self.values = {}
        self.make_room(self.room)

    def make_room(self, room: int) -> None:
        program = self.folder / "azd"
        text = _AZD.format(python=sys.executable, folder=str(self.folder), room=room)
        program.write_text(text)
        program.chmod(0o755)

    @property
    def values(self) -> dict[str, str]:
        kept: dict[str, str] = json.loads((self.folder / "values.json").read_text())
        return kept

    @values.setter
    def values(self, values: dict[str, str]) -> None:
        (self.folder / "values.json").write_text(json.dumps(values))

    def hook(
        self, *arguments: str, project: Path = PROJECT, python: str = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        """Run a hook as azd does: with the program and the environment's name around it."""
        path = os.pathsep.join((str(self.folder), os.environ.get("PATH", "")))
        return subprocess.run(
            [python, "infra/azd_hooks.py", *arguments],
            cwd=project,
            env={**os.environ, "PATH": path, "AZURE_ENV_NAME": "test"},
            capture_output=True,
            text=True,
            check=False,
        )
