"""What the commands share in parsing their options, and about their output."""

from __future__ import annotations

import argparse
from typing import TextIO, TypeAlias

# argparse has no public name for the result of `add_subparsers`.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def number(text: str, least: int, most: int) -> int:
    """Parse a decimal number. :raises ArgumentTypeError: it is not one, or out of bounds."""
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
    return int(text)


def port(text: str) -> int:
    """Parse the number of a port; 0 is a free one. :raises ArgumentTypeError: it is not one."""
    return number(text, 0, 65535)


def seconds(text: str) -> int:
    """Parse a number of seconds, up to a day. :raises ArgumentTypeError: it is not one."""
    return number(text, 0, 86400)


def boolean(text: str) -> bool:
    """Parse ``true`` or ``false``. :raises ArgumentTypeError: it is neither."""
    if text not in {"true", "false"}:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether an output is a terminal. It is None where the process was started without."""
    return stream is not None and stream.isatty()


def printable(text: str) -> str:
    """Return text without what a terminal would obey: whoever pushes chooses some of it."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
