"""Reading the rules document that a command names."""

from __future__ import annotations

import sys
from pathlib import Path

from ..auth.rules import Rules, RulesInvalid


def read_rules(path: Path) -> Rules | None:
    """Return the rules of a document, or None after printing what is wrong with it."""
    try:
        return Rules.parse(path.read_text(encoding="utf-8"), str(path))
    except RulesInvalid as error:
        problems = error.problems
    except OSError as error:
        problems = [f"registry: {path}: {error.strerror}"]
    except UnicodeDecodeError as error:
        problems = [f"registry: {path}: is not UTF-8 ({error.reason})"]
    print("\n".join(problems), file=sys.stderr)
    return None
