"""Settings that are documents: a file's path, or the text itself where no file can be mounted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .reader import Reader

_INLINE = ("-----BEGIN", "{", "[")


@dataclass(frozen=True)
class Document:
    """``path`` is None where the setting holds the text itself."""

    text: str = field(repr=False)
    path: Path | None = None


def read_document(reader: Reader, name: str, *, inline: str = "\n") -> Document | None:
    """The document that a setting is or names; None without one, or where it cannot be read.

    It is a text if it has a line break, begins as PEM, JSON or TOML tables do, or holds ``inline``.
    """
    text = reader.text(name)
    if not text:
        return None
    if "\n" in text or inline in text or text.startswith(_INLINE):
        return Document(text)
    path = Path(text)
    try:
        return Document(path.read_text(encoding="utf-8"), path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        reader.problems.append(
            f"{name}={text!r} is no file that can be read ({reason}); give a path, or the text"
        )
        return None
