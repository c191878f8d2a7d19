"""A registry over a memory store with a clock, and collections of its garbage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from registry_core.maintenance.gc import GcOptions, GcReport, collect
from registry_core.object_store.interface import ObjectStore, Properties
from registry_core.object_store.memory import MemoryStore, _Object
from registry_core.spec.digest import Digest
from registry_core.storage.condemnation import is_condemned
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.maintenance.examining import ignore_progress
from tests.support.content import push_manifest

LAYOUT = Layout()
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
OPTIONS = GcOptions(shared=False, pulls_recorded=False)


@dataclass
class ClockStore(MemoryStore):
    """A memory store whose clock the test controls: it has seconds, as that of storage."""

    now: datetime = BEGINNING

    async def head(self, path: str) -> Properties:
        return replace(await super().head(path), answered=self.now)

    def _write(
        self,
        path: str,
        blocks: Mapping[str, bytes],
        metadata: Mapping[str, str] | None,
        *,
        is_append: bool = False,
    ) -> str:
        etag = super()._write(path, blocks, metadata, is_append=is_append)
        written = self.objects[path]
        properties = replace(written.properties, last_modified=self.now)
        self.objects[path] = _Object(properties, written.blocks)
        return etag


@dataclass
class Scene:
    """A registry and its container. ``options`` are those of all collections."""

    store: ClockStore = field(default_factory=ClockStore)
    options: GcOptions = OPTIONS

    def __post_init__(self) -> None:
        self.registry = self.instance()

    def instance(self) -> StoredRegistry:
        """Return another instance of the registry, with nothing in its caches."""

        def seconds() -> float:
            return self.store.now.timestamp()

        return StoredRegistry(self.store, clock=seconds, now=seconds)

    def pass_by(self, duration: timedelta = 3 * DAY) -> None:
        """Let time pass: by default so long that everything is old."""
        self.store.now += duration

    async def collect(self, store: ObjectStore | None = None, **options: Any) -> GcReport:
        """Do one run, of options that differ from those of the scene as given."""
        report = await collect(
            store or self.store,
            LAYOUT,
            replace(self.options, **options),
            on_progress=ignore_progress,
        )
        assert report.finished
        return report

    async def collect_all(self, **options: Any) -> None:
        """Run every three days until nothing goes any more: deletions can be undone for 14."""
        for _ in range(16):
            self.pass_by()
            await self.collect(**options)
        before = self.paths
        self.pass_by()
        await self.collect(**options)
        assert self.paths == before
        assert not self.condemned

    async def push(
        self, manifest: bytes, *tags: str, repository: str = "a", instance: Any = None
    ) -> Digest:
        """Push a manifest whose blobs are there. Returns its digest."""
        digest = Digest.of(manifest)
        await push_manifest(instance or self.registry, repository, digest, manifest, tags=tags)
        return digest

    @property
    def paths(self) -> set[str]:
        """The paths of all objects but those of collections and of the trash."""
        return {
            path for path in self.store.objects if "/_gc/" not in path and "/_trash/" not in path
        }

    @property
    def condemned(self) -> set[str]:
        """The paths of all condemned objects."""
        return {path for path, each in self.store.objects.items() if is_condemned(each.properties)}

    def has_content(self, *contents: bytes) -> bool:
        """Return whether all of these are in storage."""
        return all(LAYOUT.content(Digest.of(content)) in self.store.objects for content in contents)

    def has_any_content(self, contents: Iterable[bytes]) -> bool:
        """Return whether one of these is in storage."""
        return any(self.has_content(content) for content in contents)

    async def drop_trash(self) -> None:
        """Delete all records of deletions."""
        for path in [path for path in self.store.objects if path.startswith(LAYOUT.trash)]:
            await self.store.delete(path)
