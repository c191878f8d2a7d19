"""The `copy` and `import` commands: one image, or all tags of a repository, from place to place."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from ..transfer.locations import FileLocation, Location, LocationInvalid, parse_location
from ..transfer.platforms import Platform
from ..transfer.sync_document import MAX_PARALLEL
from .options import Commands, number
from .registry_access import AccessOptions, add_access_options, read_access
from .registry_commands import REGISTRY_EXIT_CODES, run_on_registries
from .storage_commands import (
    DONE,
    MISCONFIGURED,
    PROBLEMS,
    CommandFailed,
    print_problem,
)

if TYPE_CHECKING:
    from .copying import Copied

COPY = """\
Copy an image, or anything else with a manifest, with everything that it needs: between registries,
OCI layouts and archives. Digests stay the same, and what the target has is not copied again. The
tag is set at last, and is the source's unless TARGET has its own.
"""
LOCATIONS = """\
locations:
  registry.example.com/app:v1, registry.example.com/app@sha256:..., alpine (on Docker Hub),
  oci:FOLDER[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG]
"""
COPY_EXIT_CODES = f"""\
{LOCATIONS}
exit codes:
  0    done
  1    something could not be copied
{REGISTRY_EXIT_CODES}
examples:
  python -m registry_core copy alpine:3 registry.example.com/mirror/alpine
  python -m registry_core copy --all-tags --referrers quay.io/team/app registry.example.com/app
  python -m registry_core copy oci:build:v1 registry.example.com/app:v1
"""
IMPORT = """\
Copy an image from another registry into this one without its layers passing through this machine:
storage fetches them by itself from where the other registry keeps them, and the registry hashes
what has arrived. What storage cannot fetch is copied over this machine's line.
"""
IMPORT_EXIT_CODES = f"""\
exit codes:
  0    done
  1    something could not be copied, or, with --no-stream, not be fetched by storage
{REGISTRY_EXIT_CODES}
examples:
  python -m registry_core import alpine:3 registry.example.com/mirror/alpine
  python -m registry_core import --all-tags quay.io/team/app registry.example.com/app
"""


_STANDARD_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1")


def add_copy(commands: Commands) -> None:
    """Add the `copy` command with its options."""
    parser = commands.add_parser(
        "copy",
        help="copy images between registries, layouts and archives",
        description=COPY,
        epilog=COPY_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("source", type=_location, metavar="SOURCE")
    parser.add_argument("target", type=_target, metavar="TARGET")
    _add_options(parser)
    parser.set_defaults(run=_run, imports=False, no_stream=False)


def add_import(commands: Commands) -> None:
    """Add the `import` command with its options."""
    parser = commands.add_parser(
        "import",
        help="copy images into this registry without the bytes passing through here",
        description=IMPORT,
        epilog=IMPORT_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("source", type=_in_registry(_location), metavar="SOURCE")
    parser.add_argument("target", type=_in_registry(_target), metavar="TARGET")
    _add_options(parser)
    parser.add_argument(
        "--no-stream",
        action="store_true",
        help="fail where storage cannot fetch a blob, instead of copying it over this line",
    )
    parser.set_defaults(run=_run, imports=True)


def add_copying_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of everything that copies."""
    parser.add_argument(
        "--recheck",
        action="store_true",
        help="look at all that a manifest references where the target has the manifest, too",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="write nothing; report what would be copied"
    )
    parser.add_argument(
        "--parallel",
        type=_parallel,
        default=4,
        metavar="N",
        help="copy so many blobs at the same time (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as a JSON document")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all-tags", action="store_true", help="copy all tags; neither location has one"
    )
    parser.add_argument(
        "--platform",
        action="append",
        default=[],
        type=_platform,
        metavar="OS/ARCHITECTURE",
        help="of an image index, only this platform; can be repeated",
    )
    parser.add_argument(
        "--referrers",
        action="store_true",
        help="also copy what refers to the manifests, such as signatures",
    )
    add_copying_options(parser)
    add_access_options(parser, "src", "source")
    add_access_options(parser, "dest", "target")


def _run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    def prepare() -> Coroutine[Any, Any, int]:
        _check(arguments)
        return _copy(arguments, *read_access(arguments), environment)

    return run_on_registries(prepare)


async def _copy(
    arguments: argparse.Namespace,
    source_access: AccessOptions,
    target_access: AccessOptions,
    environment: Mapping[str, str],
) -> int:
    # Imported late: options are checked, and help is printed, without the client.
    from .copying import copy_as_described

    copied = await copy_as_described(arguments, source_access, target_access, environment)
    _print(arguments, copied)
    return PROBLEMS if copied.report.failures else DONE


def _check(arguments: argparse.Namespace) -> None:
    """:raises CommandFailed: the locations and options do not fit each other."""
    if arguments.all_tags and not (arguments.source.is_whole and arguments.target.is_whole):
        raise CommandFailed(
            "with --all-tags neither the source nor the target has a tag or digest", MISCONFIGURED
        )
    if str(arguments.source) == str(arguments.target):
        raise CommandFailed("source and target are the same", MISCONFIGURED)


def _print(arguments: argparse.Namespace, copied: Copied) -> None:
    from .copy_report import failures, line_of_bytes, render

    report = copied.report
    if arguments.json:
        text = json.dumps(report.to_json(), indent=2)
    else:
        text = render(report, arguments.target, copied.digest)
        text += f"\n{line_of_bytes(report)}" if arguments.imports else ""
    # The archive itself may have gone to standard output.
    is_taken = getattr(arguments.target, "path", "") in _STANDARD_OUTPUT
    print(text, file=sys.stderr if is_taken else sys.stdout)
    for line in failures(report, arguments.target):
        print_problem(line)


def _location(text: str) -> Location:
    try:
        return parse_location(text)
    except LocationInvalid as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _target(text: str) -> Location:
    target = _location(text)
    if target.digest is not None:
        raise argparse.ArgumentTypeError(
            f"{text!r} has a digest; leave it out: the digest is the source's"
        )
    return target


def _in_registry(parse: Callable[[str], Location]) -> Callable[[str], Location]:
    def parse_in_registry(text: str) -> Location:
        location = parse(text)
        if isinstance(location, FileLocation):
            raise argparse.ArgumentTypeError(f"{text!r} is not in a registry; use copy")
        return location

    return parse_in_registry


def _platform(text: str) -> Platform:
    try:
        return Platform.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parallel(text: str) -> int:
    return number(text, 1, MAX_PARALLEL)
