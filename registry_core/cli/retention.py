"""`retention preview`: what would go by the retention rules, and by which one. Changes nothing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from ..config import GC_ENABLED, GC_YOUNG, READ_ONLY, Settings
from ..glob_coverage import repository_glob_problem
from ..globs import RepositoryGlobs
from ..maintenance.retention.preview import Decisions, NotingPolicy, RepositoryPreview
from ..object_store.interface import ObjectStore
from ..storage.layout import Layout
from .options import Commands, printable
from .progress import show_progress
from .storage_commands import DONE, PROBLEMS, STORAGE_EXIT_CODES, run_command

RETENTION = """\
Show what the retention rules do.
"""
PREVIEW = """\
Show what would go if garbage were collected now, by the retention rules of the registry
(REGISTRY_RETENTION_RULES, REGISTRY_GC_UNTAGGED) or because an image says so itself, and by which
rule. Nothing is changed.
"""
EXIT_CODES = f"""\
exit codes:
  0    complete, whether something would go or not
  1    some repositories cannot be judged; nothing goes there
{STORAGE_EXIT_CODES}
examples:
  python -m registry_core retention preview
  python -m registry_core retention preview --repository 'team/**' --kept
  python -m registry_core retention preview --json > preview.json
"""


def add_retention(commands: Commands) -> None:
    """Add the command and its subcommand."""
    parser = commands.add_parser(
        "retention",
        help="show what the retention rules do",
        description=RETENTION,
        allow_abbrev=False,
    )
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    preview = subcommands.add_parser(
        "preview",
        help="show what would go, and by which rule",
        description=PREVIEW,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    preview.add_argument(
        "--repository",
        action="append",
        default=[],
        type=_glob,
        metavar="GLOB",
        help="show only repositories that match; can be repeated",
    )
    preview.add_argument("--kept", action="store_true", help="show what rules keep, too")
    preview.add_argument("--json", action="store_true", help="print one JSON document")
    preview.set_defaults(run=_preview)


def _glob(text: str) -> str:
    if problem := repository_glob_problem(text):
        raise argparse.ArgumentTypeError(problem)
    return text


def _preview(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    globs = RepositoryGlobs(tuple(arguments.repository) or ("**",))

    async def preview(settings: Settings, store: ObjectStore, layout: Layout) -> int:
        found = (await _look(settings, store, layout)).matching(globs)
        container = settings.storage.container
        if arguments.json:
            document = to_json(found, kept=arguments.kept)
            print(json.dumps({"container": container, **document}, indent=2))
        else:
            lines = render(found, kept=arguments.kept)
            print("\n".join([f"container {container}:", *lines, *_how(settings)]))
        return PROBLEMS if found.unjudged else DONE

    return run_command(environment, preview)


async def _look(settings: Settings, store: ObjectStore, layout: Layout) -> Preview:
    """Return what the policy decides in a dry run of the collection of garbage."""
    # Imported late: options are checked, and help is printed, without it.
    from ..jobs import gc_options
    from ..maintenance.gc import collect
    from ..maintenance.gc.report import Part

    options = gc_options(settings, dry_run=True)
    policy = NotingPolicy.of(options.policy)
    with show_progress() as on_progress:
        report = await collect(
            store, layout, replace(options, policy=policy), on_progress=on_progress
        )
    expired = sum(len(each.tags.expired) for each in policy.noted.values())
    waiting = expired - report.parts[Part.TAGS].deleted
    return Preview(policy.noted, report.opaque, waiting, report.unswept)


def _how(settings: Settings) -> Iterator[str]:
    if settings.read_only:
        yield f"{READ_ONLY} is true: nothing goes until it is removed"
    elif not settings.gc.enabled:
        yield f"{GC_ENABLED} is not true: nothing goes until it is, or `gc` is run"


@dataclass(frozen=True)
class Preview:
    """What a policy decides, by repository, and what does not go even so.

    ``unjudged`` are the repositories that cannot be judged, and why. ``waiting`` is how many of all
    expired tags wait until what they point to is old enough to be condemned. ``unswept`` says why
    no manifest is deleted at present, if that is so.
    """

    repositories: Mapping[str, RepositoryPreview] = field(default_factory=dict)
    unjudged: Mapping[str, str] = field(default_factory=dict)
    waiting: int = 0
    unswept: str = ""

    def matching(self, globs: RepositoryGlobs) -> Preview:
        """Return the preview of some repositories."""
        return replace(
            self,
            repositories={n: each for n, each in self.repositories.items() if globs.match(n)},
            unjudged={name: why for name, why in self.unjudged.items() if globs.match(name)},
        )


def to_json(found: Preview, *, kept: bool) -> Mapping[str, object]:
    """Return the preview as a JSON object. docs/retention.md lists its keys."""
    return {
        "version": 1,
        "waiting": found.waiting,
        "manifests_kept": found.unswept or None,
        "unjudged": dict(sorted(found.unjudged.items())),
        "repositories": {
            name: {
                "tags": _decisions_to_json(each.tags, kept=kept),
                "untagged": _decisions_to_json(each.untagged, kept=kept),
            }
            for name, each in sorted(found.repositories.items())
        },
    }


def _decisions_to_json(decisions: Decisions, *, kept: bool) -> Mapping[str, object]:
    shown = {"number": decisions.number, "expired": [asdict(each) for each in decisions.expired]}
    return shown | ({"kept": [asdict(each) for each in decisions.kept]} if kept else {})


def render(found: Preview, *, kept: bool) -> Sequence[str]:
    """Return the preview as lines of text."""
    lines, repositories = [], found.repositories
    for name, each in sorted(repositories.items()):
        if each.expires or (kept and (each.tags.kept or each.untagged.kept)):
            lines.append(f"{name}: {_summary(each)}")
            lines += _repository(each, kept=kept)
    unjudged = sorted(found.unjudged.items())
    lines += [f"{name}: cannot be judged: {printable(why)}" for name, why in unjudged]
    tags = sum(len(each.tags.expired) for each in repositories.values())
    untagged = sum(len(each.untagged.expired) for each in repositories.values())
    lines.append(f"would go: tags {tags:,}, untagged manifests {untagged:,}")
    if found.waiting:
        lines.append(
            f"in all repositories, {found.waiting:,} of such tags stay until what they point to is "
            f"older than {GC_YOUNG}"
        )
    if found.unswept:
        lines.append(f"no manifest is deleted at present: {found.unswept}")
    return lines


def _summary(each: RepositoryPreview) -> str:
    tags, untagged = each.tags, each.untagged
    return (
        f"{len(tags.expired):,} of {tags.number:,} tags, "
        f"{len(untagged.expired):,} of {untagged.number:,} untagged manifests"
    )


def _repository(each: RepositoryPreview, *, kept: bool) -> Iterator[str]:
    found = [*each.tags.expired, *each.untagged.expired]
    keeping = [*each.tags.kept, *each.untagged.kept] if kept else []
    width = max(len(one.subject) for one in (*found, *keeping))
    for one in found:
        yield f"  {one.subject:{width}}  {one.rule}"
    for one in keeping:
        yield f"  {one.subject:{width}}  kept: {one.rule}"
