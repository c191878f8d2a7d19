"""The `history` and `tag` commands: what a tag has pointed to, and setting it, also back."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..spec.digest import Digest
from ..spec.errors import DigestInvalid, ManifestBlobUnknown, ManifestUnknown, RegistryError
from ..spec.preconditions import ETags, Precondition, PreconditionFailed
from ..spec.references import NamedReference
from .options import Commands, printable
from .storage_commands import DONE, STORAGE_EXIT_CODES, CommandFailed, run_command

if TYPE_CHECKING:
    from ..config import Settings
    from ..object_store.interface import ObjectStore
    from ..registry import ManifestInfo, Registry
    from ..spec.manifest import Manifest
    from ..storage.history import PastTarget
    from ..storage.layout import Layout

HISTORY = """\
Show what a tag points to and has pointed to, in the container that REGISTRY_STORAGE_AZURE_... in
the environment names: what it was last set to comes first, "*" marks what it points to now. A
manifest that is here can be tagged again with the tag command, one in the trash after it was
restored. Nothing is changed.
"""
HISTORY_EXIT_CODES = f"""\
exit codes:
  0    the history was shown
  1    the tag does not exist
{STORAGE_EXIT_CODES}
example:
  python -m registry_core history team/app:v1
"""
TAG = """\
Point a tag to a manifest that the repository has: back to an earlier one, or a new tag. This is a
push of the manifest, and all that is refused to a push is refused: an immutable tag does not move.
"""
TAG_EXIT_CODES = f"""\
exit codes:
  0    the tag points to the manifest
  1    it does not: the manifest does not exist, the tag is immutable, or is not where expected
{STORAGE_EXIT_CODES}
examples:
  python -m registry_core tag team/app:v1@sha256:4f53...
  python -m registry_core tag team/app:v1@sha256:4f53... --expect sha256:9a70...
"""

_PRESENCE = {"here": "here", "trash": "in the trash", "gone": "gone"}


def add_history(commands: Commands) -> None:
    """Add both commands with their options."""
    history = commands.add_parser(
        "history",
        help="show what a tag has pointed to",
        description=HISTORY,
        epilog=HISTORY_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    history.add_argument("tag", type=_tag, metavar="REPOSITORY:TAG")
    history.add_argument("--json", action="store_true", help="print a JSON document")
    history.set_defaults(run=_history)
    tag = commands.add_parser(
        "tag",
        help="point a tag to a manifest: back to an earlier one, or a new tag",
        description=TAG,
        epilog=TAG_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    tag.add_argument("target", type=_target, metavar="REPOSITORY:TAG@DIGEST")
    tag.add_argument(
        "--expect",
        type=_digest,
        metavar="DIGEST",
        help="only if the tag points to this manifest now",
    )
    tag.set_defaults(run=_set_tag)


def _tag(text: str) -> NamedReference:
    return _reference(text, "REPOSITORY:TAG", has_digest=False)


def _target(text: str) -> NamedReference:
    return _reference(text, "REPOSITORY:TAG@DIGEST", has_digest=True)


def _reference(text: str, form: str, *, has_digest: bool) -> NamedReference:
    try:
        found = NamedReference.parse(text)
    except RegistryError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found.tag is None or (found.digest is not None) is not has_digest:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form {form}")
    return found


def _digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except DigestInvalid as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _history(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    reference: NamedReference = arguments.tag

    async def show(settings: Settings, store: ObjectStore, _: Layout) -> int:
        from ..app import build_stored_registry

        assert reference.tag is not None
        history = build_stored_registry(settings, store).history
        found = await history.of_tag(reference.repository, reference.tag)
        if arguments.json:
            print(json.dumps(to_json(reference, found), indent=2))
        else:
            print(render(reference, found))
        return DONE

    return run_command(environment, show)


def render(reference: NamedReference, history: Sequence[PastTarget]) -> str:
    """Return a tag's history as text."""
    return "\n".join([str(reference), *_lines(history)])


def _lines(history: Sequence[PastTarget]) -> Iterator[str]:
    width = max(len(str(target.digest)) for target in history) if history else 0
    for target in history:
        mark = "*" if target.is_current else " "
        columns = (
            f"{mark} {_time(target.since)}",
            f"{target.digest!s:{width}}",
            f"{_PRESENCE[target.presence]:12}",
            target.deletion.id if target.deletion else _describe(target.manifest),
        )
        yield "  ".join(columns).rstrip()


def _describe(manifest: ManifestInfo | None) -> str:
    """Return the platform of an image, or what else a manifest is."""
    if manifest is None:
        return ""
    return _platform(manifest) or printable(manifest.artifact_type or manifest.media_type or "")


def _platform(manifest: ManifestInfo) -> str:
    image = manifest.image
    return "/".join(filter(None, (image.os, image.architecture, image.variant))) if image else ""


def to_json(reference: NamedReference, history: Sequence[PastTarget]) -> dict[str, object]:
    """Return a tag's history as a JSON document."""
    return {
        "repository": reference.repository,
        "tag": reference.tag,
        "history": [
            {
                "digest": str(target.digest),
                "set": _time(target.since),
                "current": target.is_current,
                "state": target.presence,
                **(_manifest_to_json(target.manifest) if target.manifest else {}),
                **({"trash": target.deletion.id} if target.deletion else {}),
            }
            for target in history
        ],
    }


def _manifest_to_json(manifest: ManifestInfo) -> dict[str, object]:
    fields = {
        "mediaType": manifest.media_type,
        "artifactType": manifest.artifact_type,
        "platform": _platform(manifest),
        "size": manifest.size,
        "contentSize": manifest.content_size,
        "pushed": _time(manifest.pushed) if manifest.pushed else None,
        "pushedBy": manifest.pushed_by,
    }
    return {name: value for name, value in fields.items() if value}


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _set_tag(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    target: NamedReference = arguments.target

    async def set_tag(settings: Settings, store: ObjectStore, _: Layout) -> int:
        from ..app import build_registry

        registry = build_registry(settings, store)
        before = await point_tag(registry, target, arguments.expect, settings.repository_classes)
        print(_result(target, before))
        return DONE

    return run_command(environment, set_tag)


async def point_tag(
    registry: Registry,
    target: NamedReference,
    expected: Digest | None = None,
    classes: frozenset[str] = frozenset(),
) -> Digest | None:
    """Point a tag to a manifest of its repository; return what it pointed to before, if anything.

    :param target: has a tag and a digest.
    :param expected: what the tag must point to before.
    :param classes: the classes of manifests that may be pushed; empty: all.
    :raises CommandFailed: the manifest does not exist, or the tag is not where it is expected.
    :raises RegistryError: the push is refused.
    """
    from ..aio import run_to_completion

    repository, tag = target.repository, target.tag or ""
    manifest = await _read(registry, target, classes)
    before = await _current(registry, repository, tag)
    precondition = Precondition(if_match=ETags(frozenset({str(expected)}))) if expected else None
    try:
        await run_to_completion(registry.push_manifest(repository, manifest, (tag,), precondition))
    except PreconditionFailed:
        now = await _current(registry, repository, tag)
        where = f"points to {now}, not to {expected}" if now else "does not exist"
        raise CommandFailed(f"{repository}:{tag} {where}; nothing was changed") from None
    except ManifestBlobUnknown as error:
        missing = "; ".join(entry.message for entry in error.errors)
        raise CommandFailed(
            f"{manifest.digest} cannot be tagged in {repository}: {missing}"
        ) from None
    return before


async def _read(registry: Registry, target: NamedReference, classes: frozenset[str]) -> Manifest:
    """Return a manifest that the registry has, to be pushed again."""
    from ..aio import off_loop
    from ..auth.caller import ANYBODY
    from ..auth.repository_classes import check_class
    from ..spec.manifest import parse_manifest

    repository, digest = target.repository, target.digest
    assert digest is not None
    try:
        found = await registry.get_manifest(repository, digest)
    except ManifestUnknown:
        raise CommandFailed(
            f"the repository {repository} has no manifest {digest}; "
            f"`history {repository}:{target.tag}` shows what the tag has pointed to"
        ) from None
    content, media_type = found.content, found.media_type
    manifest = await off_loop(len(content), parse_manifest, content, media_type, digest)
    if classes:
        check_class(manifest.document, repository, ANYBODY, classes)
    return manifest


async def _current(registry: Registry, repository: str, tag: str) -> Digest | None:
    try:
        return (await registry.resolve_manifest(repository, tag)).digest
    except ManifestUnknown:
        return None


def _result(target: NamedReference, before: Digest | None) -> str:
    name = f"{target.repository}:{target.tag}"
    if before == target.digest:
        return f"{name} points to {target.digest}, as before"
    earlier = f"it pointed to {before}" if before else "it is a new tag"
    return f"{name} points to {target.digest}; {earlier}"
