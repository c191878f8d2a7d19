"""What is wrong with a rules document, gathered to be told all at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


class RulesInvalid(Exception):
    """``problems``: one line of text each, in the document's order: file, line, and what."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class Problems:
    """``file`` is what the text is called before each line's number."""

    file: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, text: str) -> None:
        self.found.append((line, text))

    def settle(self) -> None:
        """:raises RulesInvalid: there are any."""
        if self.found:
            by_line = sorted(self.found, key=lambda problem: problem[0])
            raise RulesInvalid([f"{self.file}:{line}: {text}" for line, text in by_line])


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean "rule"?``, or nothing when no known word is like it."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
