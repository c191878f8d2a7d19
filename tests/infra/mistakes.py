"""Mistakes that people make: an edit of a copy of the project, and what must be said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mistake:
    """In ``file``, the text ``right`` becomes ``wrong``; then ``message`` is in what is found.

    It must be found in ``where`` (``file`` if that is empty), on the line where ``at`` stands
    after the edit; without ``at``, on the first line that the edit changed.
    """

    name: str
    file: str
    right: str
    wrong: str
    message: str
    at: str = ""
    where: str = ""

    @property
    def found_in(self) -> str:
        return self.where or self.file

    def make(self, project: Path) -> int:
        """The edit, made once in a copy; gives the line on which it must be found."""
        path = project / self.file
        before = path.read_text()
        assert self.right in before, f"{self.file} has no {self.right!r} now: make another edit"
        after = before.replace(self.right, self.wrong, 1)
        assert after != before
        path.write_text(after)
        lines = (project / self.found_in).read_text().splitlines()
        if self.at:
            return 1 + next(number for number, line in enumerate(lines) if self.at in line)
        pairs = zip(before.splitlines(), after.splitlines(), strict=False)
        return 1 + next(number for number, (old, new) in enumerate(pairs) if old != new)


def mistakes(file: str, edits: Mapping[str, tuple[str, ...]]) -> Iterator[Mistake]:
    """By name: ``right``, ``wrong``, ``message``, and where needed ``at`` and ``where``."""
    return (Mistake(name, file, *edit) for name, edit in edits.items())
