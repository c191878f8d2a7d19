"""The commands that docs/cost.md shows with what they print. To print them anew after a change:

python -m tests.cost.document
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from dataclasses import dataclass

from registry_core.cli.main import main
from tests.support.host import PROJECT

FILE = PROJECT / "docs/cost.md"
_PROMPT = "$ python -m registry_core "
_BLOCK = re.compile(rf"```console\n{re.escape(_PROMPT)}(.+)\n((?:.*\n)*?)```\n")


@dataclass(frozen=True)
class Shown:
    """A command of the document, and what it prints there."""

    command: str
    output: str

    def prints(self) -> str:
        """What it prints now."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert main(shlex.split(self.command)) == 0
        return printed.getvalue()


def shown() -> list[Shown]:
    return [Shown(*found) for found in _BLOCK.findall(FILE.read_text())]


def refresh() -> None:
    """Put into the document what its commands print now."""

    def printed(match: re.Match[str]) -> str:
        return f"```console\n{_PROMPT}{match[1]}\n{Shown(match[1], match[2]).prints()}```\n"

    FILE.write_text(_BLOCK.sub(printed, FILE.read_text()))


if __name__ == "__main__":
    refresh()
