"""What the commands on registries share: Ctrl-C, errors in one line, exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from ..spec.errors import Denied, RegistryError, TooManyRequests, Unauthorized, Unavailable
from .storage_commands import (
    INTERRUPTED,
    PROBLEMS,
    CommandFailed,
    cancelled_by_ctrl_c,
    print_problem,
)

NO_ACCESS = 3

REGISTRY_EXIT_CODES = """\
  2    wrong options
  3    a registry cannot be reached or denies access
  130  interrupted
"""
"""The part of a command's help that is the same for all of them."""


def run_on_registries(prepare: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Do work on registries and return its exit code, or that of what stopped it.

    One line on standard error says what that was. Ctrl-C cancels the work; a second Ctrl-C ends the
    process.

    :param prepare: returns the work. It may wait for the terminal: Ctrl-C interrupts that as well.
    """
    try:
        return asyncio.run(_cancellable(prepare()))
    except (asyncio.CancelledError, KeyboardInterrupt):
        print_problem("interrupted")
        return INTERRUPTED
    except CommandFailed as error:
        print_problem(str(error))
        return error.code
    except RegistryError as error:
        print_problem(describe(error))
        return exit_code(error)


def exit_code(error: RegistryError) -> int:
    """Return the exit code for what a registry answered, or that it did not."""
    if error.status == HTTPStatus.CONFLICT:  # a tag is immutable: access is not the problem
        return PROBLEMS
    no_access = Unauthorized, Denied, Unavailable, TooManyRequests
    return NO_ACCESS if isinstance(error, no_access) else PROBLEMS


def describe(error: RegistryError) -> str:
    """Return what went wrong, for whoever runs the command: all that is known about it."""
    return error.private or error.message or "; ".join(each.message for each in error.errors)


async def _cancellable(work: Coroutine[Any, Any, int]) -> int:
    with cancelled_by_ctrl_c():
        return await work
