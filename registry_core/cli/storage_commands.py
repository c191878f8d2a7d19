"""What all commands on storage share: settings, the store, Ctrl-C, errors in one line, exit codes.

A command is a coroutine function of the settings, the store and the layout, which prints its result
and returns an exit code; see `run_command`. Exit codes, which each command documents: `DONE`;
`PROBLEMS` where there are some, or where what was named does not exist; `MISCONFIGURED`: wrong
options or settings; `NO_STORAGE`: storage cannot be used; `INTERRUPTED`.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..config import READ_ONLY, ConfigError, Settings, read_storage_settings
from ..object_store.errors import StoreError, StoreRefused, StoreUnavailable
from ..object_store.interface import ObjectStore
from ..spec.errors import RegistryError
from ..storage.layout import Layout
from ..storage.root import PLAIN, RootAmbiguous
from .options import printable
from .storage_errors import explain

if TYPE_CHECKING:
    from ..object_store.azure import AzureBlobStore

_INTERRUPTING = (signal.SIGINT, signal.SIGTERM)

DONE, PROBLEMS, MISCONFIGURED, NO_STORAGE, INTERRUPTED = 0, 1, 2, 3, 130

STORAGE_EXIT_CODES = """\
  2    wrong options or settings
  3    storage cannot be reached or denies access
  130  interrupted
"""
"""The part of a command's help that is the same for all of them."""

Command = Callable[[Settings, ObjectStore, Layout], Awaitable[int]]
"""Does the work and returns the exit code. `Settings.root` is settled, as is the layout."""


class CommandFailed(Exception):
    """The command cannot do what its options say. The text is one line for the user.

    :ivar code: the exit code.
    """

    def __init__(self, text: str, code: int = PROBLEMS) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Ended:
    """How work on storage ended: the exit code and, if something stopped it, what, in one line."""

    code: int
    stopped: str = ""


def run_command(environment: Mapping[str, str], command: Command) -> int:
    """Run a command on the registry that the environment's settings name.

    One line on standard error says what stopped it. Ctrl-C cancels it: a write in progress, if the
    command shields it by `run_to_completion`, is completed. A second Ctrl-C ends the process.

    :return: the exit code.
    """

    async def settle(settings: Settings, store: AzureBlobStore) -> int:
        # Imported late: options are checked, and help is printed, without the client of storage.
        from ..app import settle_root

        settled = await settle_root(settings, store)
        return await command(settled, store, Layout(settled.root or PLAIN))

    def run(settings: Settings) -> int:
        ended = run_on_storage(settings, settle)
        if ended.stopped:
            print_problem(ended.stopped)
        return ended.code

    return with_settings(environment, run)


def with_settings(environment: Mapping[str, str], run: Callable[[Settings], int]) -> int:
    """Run something with the settings of storage. Print what is wrong with them, in a line each."""
    _configure_logging()
    try:
        return run(read_storage_settings(environment))
    except ConfigError as error:
        for problem in error.problems:
            print_problem(problem)
        return MISCONFIGURED


def run_on_storage(
    settings: Settings, work: Callable[[Settings, AzureBlobStore], Awaitable[int]]
) -> Ended:
    """Open the store, check that it can hold a registry, and do work on it. Nothing is printed.

    :raises ConfigError: the settings of storage contradict each other.
    """
    try:
        return Ended(asyncio.run(_work(settings, work)))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return Ended(INTERRUPTED, "interrupted")
    except StoreError as error:
        return Ended(NO_STORAGE, _explain(error, settings))
    except RootAmbiguous as error:
        return Ended(MISCONFIGURED, str(error))
    except CommandFailed as error:
        return Ended(error.code, str(error))
    except RegistryError as error:
        return Ended(PROBLEMS, str(error))


def _explain(error: StoreError, settings: Settings) -> str:
    if isinstance(error, StoreUnavailable | StoreRefused):
        return explain(str(error), settings.storage)
    return f"storage cannot be used ({error})"  # a listing that cannot be continued, for example


def check_writable(settings: Settings) -> None:
    """:raises CommandFailed: the registry is read-only."""
    if settings.read_only:
        raise CommandFailed(f"this registry is read-only at present ({READ_ONLY})")


def print_problem(text: str) -> None:
    """Print a line on standard error."""
    print(f"registry: {printable(text)}", file=sys.stderr)


async def _work(
    settings: Settings, work: Callable[[Settings, AzureBlobStore], Awaitable[int]]
) -> int:
    from ..app import build_store

    try:
        store = build_store(settings.storage)
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    with cancelled_by_ctrl_c():
        try:
            await store.check_namespace()
            return await work(settings, store)
        finally:
            await store.close()


@contextmanager
def cancelled_by_ctrl_c() -> Iterator[None]:
    """Cancel the current task on the first SIGINT or SIGTERM; the second one ends the process.

    SIGTERM is how `timeout`, systemd and containers interrupt.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def stop() -> None:
        task.cancel()
        for number in _INTERRUPTING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in _INTERRUPTING:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in _INTERRUPTING:
            loop.remove_signal_handler(number)


def _configure_logging() -> None:
    logging.basicConfig(format="registry: %(message)s")
    # azure-identity's warnings of many lines would precede the one line that explains the error.
    logging.getLogger("azure").propagate = False
    logging.getLogger("azure").addHandler(logging.NullHandler())
