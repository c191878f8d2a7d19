"""Copies of a manifest, or of tags, with everything they need, from one place to another."""

from __future__ import annotations

from collections.abc import Sequence

from ..aio import for_each
from ..globs import TagNameGlobs
from ..registry import TagInfo
from ..spec.endpoints import PageQuery, Reference
from ..spec.errors import RegistryError
from .copier import ManifestCopier
from .errors import SourceManifestInvalid
from .options import CopyOptions
from .place import Place, Source, Target
from .progress import Meter, OnProgress, ignore_progress
from .referrers import is_fallback_tag
from .report import CopyReport, Tally
from .run import CopyRun

MAX_TAGS = 1_000_000
"""The most tags of a repository that are listed."""

DEFAULTS = CopyOptions()
_ALL, _NONE = TagNameGlobs(("*",)), TagNameGlobs()


async def copy_manifest(  # noqa: PLR0917 - from where to where, and how
    source: Place[Source],
    reference: Reference,
    target: Place[Target],
    tags: Sequence[str],
    options: CopyOptions = DEFAULTS,
    progress: OnProgress = ignore_progress,
    *,
    run: CopyRun | None = None,
) -> CopyReport:
    """Copy a manifest with everything it needs, set tags to it, and report what was done.

    Digests and media types stay as they are. What the target has is not copied again, so that a
    copy that was interrupted goes on where it stopped.

    :param run: what has been copied by the same command, and how bytes go to storage.
    :raises RegistryError: what the source or the target refuse, and what `errors` lists.
    """
    work = _Work(source, target, options, progress, run)
    await work.copier.copy(reference, tags)
    return work.report()


async def copy_tags(
    source: Place[Source],
    tags: Sequence[str],
    target: Place[Target],
    options: CopyOptions = DEFAULTS,
    progress: OnProgress = ignore_progress,
    *,
    run: CopyRun | None = None,
) -> CopyReport:
    """Copy tags, with all that they point to, and report what was done.

    A tag that cannot be copied is reported, and the others go on.

    :param run: see `copy_manifest`.
    """
    work = _Work(source, target, options, progress, run)

    async def copy(tag: str) -> None:
        try:
            await work.copy_tag(tag)
        except RegistryError as error:
            work.tally.failures[tag] = error

    await for_each(dict.fromkeys(tags), copy, limit=options.parallel)
    return work.report()


async def list_tags(
    source: Place[Source], include: TagNameGlobs = _ALL, exclude: TagNameGlobs = _NONE
) -> list[str]:
    """Return the tags of a place that match the one, and not the other.

    :raises NameUnknown: the repository does not exist.
    """
    found: list[TagInfo] = []
    page: PageQuery | None = PageQuery()
    while page is not None:
        listing = await source.registry.list_tags(source.repository, page)
        found += listing.entries
        if len(found) > MAX_TAGS:
            raise SourceManifestInvalid(f"{source} has more than {MAX_TAGS} tags")
        page = listing.next
    names = (tag.name for tag in found)
    return [name for name in names if include.match(name) and not exclude.match(name)]


class _Work:
    """A copy from one place to another, and its report."""

    def __init__(
        self,
        source: Place[Source],
        target: Place[Target],
        options: CopyOptions,
        progress: OnProgress,
        run: CopyRun | None,
    ) -> None:
        self._options = options
        self._meter = Meter(progress)
        self.tally = Tally(str(source), str(target), options.dry_run)
        self.copier = ManifestCopier(
            source,
            target,
            options,
            run=run or CopyRun(options.parallel),
            tally=self.tally,
            meter=self._meter,
        )

    async def copy_tag(self, tag: str) -> None:
        is_list = self._options.referrers and is_fallback_tag(tag)
        if not (is_list and await self.copier.copy_list(tag)):
            await self.copier.copy(tag, (tag,))

    def report(self) -> CopyReport:
        return self.tally.report(self._meter.bytes_read)
