"""`doctor`: what is in the container, what is wrong with it, and what can be put right."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta

from ..config import ROOT_DIRECTORY, ConfigError, Settings, read_storage_settings
from ..maintenance.doctor import Options, Report, examine
from ..object_store.interface import StoreUnavailable
from .doctor_progress import telling
from .doctor_text import render
from .doctor_trouble import explain
from .options import Commands, number

HEALTHY, PROBLEMS, MISCONFIGURED, NO_STORAGE, INTERRUPTED = 0, 1, 2, 3, 130

DOCTOR = """\
Look at the container that REGISTRY_STORAGE_AZURE_... in the environment names: how much is in it,
and what is wrong with it. Nothing is changed without --repair, and content never. It may run beside
a registry, but only one --repair at a time. Ctrl-C stops it after the write under way.
"""
EXIT_CODES = """\
exit codes:
  0    healthy: nothing is wrong, or all of it was repaired
  1    there are problems
  2    wrong options or settings
  3    storage cannot be reached, or refuses
  130  interrupted

examples:
  python -m registry_core doctor
  python -m registry_core doctor --verify --json > report.json
  python -m registry_core doctor --repair
"""


def add_doctor(commands: Commands) -> None:
    """Its options."""
    parser = commands.add_parser(
        "doctor",
        help="look for what is wrong in the container, and repair it",
        description=DOCTOR,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--verify", action="store_true", help="read and hash all content")
    parser.add_argument("--repair", action="store_true", help="put right what can be")
    parser.add_argument("--json", action="store_true", help="the report as one JSON document")
    parser.add_argument(
        "--grace",
        type=_seconds,
        default=300,
        metavar="SECONDS",
        help="what is younger may be a push under way and is not judged (default %(default)s)",
    )
    parser.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    logging.basicConfig(format="registry: %(message)s")
    # The SDK's own warnings, of many lines, come before the one line that says it all.
    logging.getLogger("azure").propagate = False
    logging.getLogger("azure").addHandler(logging.NullHandler())
    try:
        settings = read_storage_settings(environment)
        options = Options(
            root=settings.root,
            setting=ROOT_DIRECTORY,
            repair=arguments.repair,
            verify=arguments.verify,
            grace=timedelta(seconds=arguments.grace),
        )
        return _examine(settings, options, as_json=arguments.json)
    except ConfigError as error:
        for problem in error.problems:
            print(f"registry: {problem}", file=sys.stderr)
        return MISCONFIGURED


def _examine(settings: Settings, options: Options, *, as_json: bool) -> int:
    report, code = Report(), None
    try:
        asyncio.run(_run(settings, options, report))
    except (asyncio.CancelledError, KeyboardInterrupt):
        report.stopped, code = "interrupted", INTERRUPTED
    except StoreUnavailable as error:
        report.stopped, code = explain(str(error), settings.storage), NO_STORAGE
    if as_json:
        container = {"container": settings.storage.container}
        print(json.dumps(container | dict(report.to_json()), indent=2))
    elif report.number_of_objects or not report.stopped:
        print(render(report, settings.storage.container, verify=options.verify))
    if report.stopped:
        print(f"registry: {report.stopped}", file=sys.stderr)
    return code or (PROBLEMS if report.left else HEALTHY)


async def _run(settings: Settings, options: Options, report: Report) -> None:
    # Imported here so that other commands need not wait for the SDK.
    from ..app import build_store

    try:
        store = build_store(settings.storage)
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def stop() -> None:
        task.cancel()
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the second ends it at once

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        with telling() as tell:
            await examine(store, report, options, tell)
    finally:
        await store.close()


def _seconds(text: str) -> int:
    return number(text, 0, 86400)
