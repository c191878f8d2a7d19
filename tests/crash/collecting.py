"""Collections of garbage beside other operations: what clients may see, then and after later runs.

The grace is one second, and so is the time between what was there before, the operations, and each
later run. An operation takes less than the grace. So it meets a run that condemns what it relies
on, or one that sweeps what was condemned before: both are explored.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from registry_core.maintenance.doctor.context import DoctorOptions
from registry_core.maintenance.doctor.examination import examine
from registry_core.maintenance.doctor.report import DoctorReport
from registry_core.maintenance.gc.collect import collect
from registry_core.maintenance.gc.options import GcOptions
from registry_core.object_store.interface import ObjectStore
from registry_core.registry import Registry
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import RegistryError
from registry_core.spec.media_types import OCTET_STREAM
from registry_core.storage.links import Link, put_link
from registry_core.storage.membership import LinkedBlob, _Lookup
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, push_blob, push_manifest

from .chance import draw_from
from .checks import _broken, _common
from .operations import Act, Client, Operation
from .scene import BLOCK, LAYER, LAYOUT, NEIGHBOUR, REPOSITORY, Scene, uncached
from .schedule import ANSWERED, FAULTS, LATE, Explorer, Make, Node
from .shown import Facts, Look, Problem
from .world import State, World

OPTIONS = GcOptions(grace=timedelta(seconds=1), young=timedelta())
UNTAGGED = GcOptions(
    grace=timedelta(seconds=1), young=timedelta(), untagged=timedelta(), trash_age=timedelta()
)
CONDEMNED_AT, NOW = 1, 2
"""The second of a run before the operations, and their own."""

LATER = (4, 6, 8, 10)
"""The seconds of the runs after the operations: what is garbage by then is gone in the end."""

SETTLING = range(12, 22, 2)
"""The seconds of more runs: a manifest that goes leaves links, and those leave content."""

UNUSED, LARGE_UNUSED = b"a layer that no manifest needs", bytes(range(3, 3 + 2 * BLOCK + 10))
LOOSE, LARGE_LOOSE = b"content without a link", bytes(range(5, 5 + 2 * BLOCK + 7))
ORPHAN = image_manifest(LAYER, annotations={"no": "tag"})
MISLAID = b"a layer whose link is missing"
INCOMPLETE = image_manifest(MISLAID)
LONELY = image_manifest(UNUSED, annotations={"no": "tag, and a layer of its own"})


def _store(registry: Registry) -> ObjectStore:
    store: ObjectStore = registry._blobs.membership.store  # type: ignore[attr-defined]
    return store


def collection(options: GcOptions = OPTIONS, name: str = "collect") -> Operation:
    """A whole run, on an instance of its own."""

    async def act(registry: Registry, _: Client) -> None:
        await collect(_store(registry), LAYOUT, options, on_progress=lambda _: None)

    return Operation(name, act, (act,), adds=False)


def repair() -> Operation:
    """A doctor that repairs what it finds."""

    async def act(registry: Registry, _: Client) -> int:
        report = DoctorReport()
        options = DoctorOptions(repair=True, grace=timedelta())
        await examine(_store(registry), report, options, lambda _: None)
        return report.remaining

    return Operation("repair", act, ())


def then(name: str, *acts: Operation) -> Operation:
    """Operations one after another, by the same client at the same instance."""

    async def act(registry: Registry, client: Client) -> str:
        return "; ".join([str(await each.act(registry, client)) for each in acts])

    return Operation(name, act, (), any(each.takes for each in acts))


def found(name: str, act: Act) -> Operation:
    """A client that looks for something, and goes on to rely on it."""
    return Operation(name, act, ())


def without_trash(store: ObjectStore) -> Registry:
    """Return a registry whose deletions cannot be undone, and so leave garbage at once."""
    return StoredRegistry(
        store,
        manifest_cache_bytes=0,
        membership_seconds=0,
        delete_retention=timedelta(),
        now=lambda: 0.0,
    )


async def _leave_garbage(registry: Registry) -> None:
    for content in (UNUSED, LARGE_UNUSED):
        await push_blob(registry, REPOSITORY, content)
    for content in (LOOSE, LARGE_LOOSE):
        await push_blob(registry, NEIGHBOUR, content)
        await registry.delete_blob(NEIGHBOUR, Digest.of(content))


async def _leave_incomplete(registry: Registry) -> None:
    """A manifest without the link of its layer, whose content is therefore garbage."""
    await push_blob(registry, REPOSITORY, MISLAID)
    await push_manifest(registry, REPOSITORY, "incomplete", INCOMPLETE)
    await registry.delete_blob(REPOSITORY, Digest.of(MISLAID))


async def _leave_untagged(registry: Registry) -> None:
    for manifest in (ORPHAN, LONELY):
        await push_manifest(registry, REPOSITORY, Digest.of(manifest), manifest)


def warmed(store: ObjectStore) -> Registry:
    """Return a registry that has observed everything in `REPOSITORY` before."""
    registry = StoredRegistry(store, now=lambda: 0.0, clock=lambda: 0.0)
    membership = registry._blobs.membership
    for blob in (UNUSED, LARGE_UNUSED, LAYER, CONFIG):
        described = Descriptor(OCTET_STREAM, Digest.of(blob), len(blob))
        known = _Lookup(LinkedBlob(described, described.digest), '"1"')
        membership.blobs.put((REPOSITORY, described.digest), known)
        membership.contents.put(described.digest, described.size)
    membership.generations.put(REPOSITORY, '"1"')
    return registry


@dataclass(frozen=True)
class Lives:
    """What clients see in the course of time: at once, and after later runs."""

    now: Facts
    later: Facts


@dataclass
class CollectionChecker:
    """Explores operations beside runs with ``options``, and collects violations in ``found``."""

    scene: Scene
    options: GcOptions = OPTIONS
    make: Make = uncached
    found: list[str] = field(default_factory=list)
    runs: int = 0
    moments: int = 0
    states: int = 0
    acknowledged: int = 0
    _looks: dict[Hashable, tuple[Facts, list[Problem]]] = field(default_factory=dict)
    _laters: dict[Hashable, State] = field(default_factory=dict)
    _settled: dict[Hashable, State] = field(default_factory=dict)
    _excused: set[str] = field(default_factory=set)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.scene.loop.run_until_complete(coroutine)

    @cached_property
    def garbage(self) -> State:
        """The initial store, and garbage in it that no run has seen yet."""
        world = World.of(self.scene.ours)

        async def leave() -> None:
            draw_from("garbage")
            registry = without_trash(world)
            await _leave_garbage(registry)
            if self.options.untagged is not None:
                await _leave_untagged(registry)

        self.run(leave())
        return world.save()

    @cached_property
    def incomplete(self) -> State:
        """The initial store, and a manifest that lacks the link of a layer, which is condemned."""
        world = World.of(self.scene.ours)

        async def leave() -> None:
            draw_from("incomplete")
            await _leave_incomplete(without_trash(world))

        self.run(leave())
        return self.collected(world.save(), CONDEMNED_AT)

    @cached_property
    def linked_anew(self) -> State:
        """The store after that run, and a link to condemned content, made by an earlier look."""
        world = World.of(self.condemned)
        world.second = CONDEMNED_AT
        digest = Digest.of(LOOSE)
        link = Link(digest, OCTET_STREAM, len(LOOSE))
        self.run(put_link(world, LAYOUT.blob_link(REPOSITORY, digest), link))
        return world.save()

    @cached_property
    def condemned(self) -> State:
        """The same, after a run that condemned it."""
        return self.collected(self.garbage, CONDEMNED_AT)

    def collected(self, start: State, second: int) -> State:
        """Return the store after a run at this second, alone."""
        state, outcome = self.alone(start, collection(self.options), second)
        assert outcome is None, outcome
        return state

    def alone(self, start: State, operation: Operation, second: int) -> tuple[State, Any]:
        world = World.of(start)
        world.second = second

        async def go() -> Any:
            draw_from(f"alone {operation.name} {second}")
            try:
                return await operation.act(uncached(world), Client())
            except RegistryError as error:
                return error

        outcome = self.run(go())
        return world.save(), outcome

    def later(self, state: State) -> State:
        """Return the store after all later runs."""
        if state.key not in self._laters:
            after = state
            for second in LATER:
                after = self.collected(after, second)
            self._laters[state.key] = after
        return self._laters[state.key]

    def settled(self, state: State) -> State:
        """Return the store once later runs find nothing to do."""
        if state.key not in self._settled:
            after = self.later(state)
            for second in SETTLING:
                after = self.collected(after, second)
            self._settled[state.key] = after
        return self._settled[state.key]

    def forget(self) -> None:
        """Free the memory of all states: what was found, and how much, stays."""
        for known in (self._looks, self._laters, self._settled):
            known.clear()
        for name in ("garbage", "condemned", "incomplete", "linked_anew"):
            self.__dict__.pop(name, None)

    def look(self, state: State) -> tuple[Facts, list[Problem]]:
        if state.key not in self._looks:
            look = Look(uncached(World.of(state)), state)
            self._looks[state.key] = (self.run(look.facts()), look.problems)
            self.states += 1
        return self._looks[state.key]

    def promise(self, start: State, operations: Sequence[Operation], number: int) -> Lives:
        """Return what holds after an operation, in whichever order it takes place among these.

        As far as it succeeds there. And, for a run, without the others.
        """
        one = operations[number]
        others = [each for each in operations if each is not one]
        orders = [[one, *others], [*others, one]]
        if not one.adds:
            orders.append([one])
        lives = [each for each in (self._course(start, order, one) for order in orders) if each]
        return Lives(_common([each.now for each in lives]), _common([each.later for each in lives]))

    def _course(self, start: State, order: Sequence[Operation], one: Operation) -> Lives | None:
        """Return what holds once one of these, in this order, has succeeded; None if it fails."""
        state, now = start, list[Facts]()
        for each in order:
            state, outcome = self.alone(state, each, NOW)
            if each is one and isinstance(outcome, RegistryError):
                return None
            if each is one or now:
                now.append(self.look(state)[0])
        return Lives(_common(now), self.look(self.later(state))[0])

    def promises(self, start: State, operations: Sequence[Operation]) -> list[Lives]:
        """Return what holds after each operation that succeeds."""
        return [self.promise(start, operations, number) for number in range(len(operations))]

    def beside(
        self,
        start: State,
        operations: Sequence[Operation],
        *,
        promises: Sequence[Lives] = (),
        faulty: Sequence[int] = (),
        switches: int | None = 3,
        cap: int = 10**9,
        until_found: bool = False,
    ) -> None:
        """Check operations and runs at the same time, with one fault in one of those ``faulty``.

        :param until_found: stop at the first violation.
        """
        promises = promises or self.promises(start, operations)
        self._excused = {problem.text for problem in self.look(start)[1]}
        explorer = Explorer(
            self.scene.loop,
            self.make,
            faults=bool(faulty),
            kinds=(*FAULTS, LATE),
            faulty=faulty,
            switches=switches,
            second=NOW,
        )
        seen = set[Hashable]()
        for node in explorer.explore(start, operations, cap=cap):
            self.moments += 1
            if node.outcomes is None:
                continue
            failed = [isinstance(outcome, BaseException) for outcome in node.outcomes]
            self.acknowledged += not failed[0]
            key = (node.state.key, *failed)
            if key not in seen:
                seen.add(key)
                self._check(node, promises, operations)
            if until_found and self.found:
                break
        self.runs += explorer.runs

    def _check(
        self, node: Node, promises: Sequence[Lives], operations: Sequence[Operation]
    ) -> None:
        assert node.outcomes is not None
        failed = [isinstance(outcome, BaseException) for outcome in node.outcomes]
        said = [
            f"fails: {outcome!r}"
            for outcome in node.outcomes
            if isinstance(outcome, BaseException) and not isinstance(outcome, RegistryError)
        ]
        takes = any(operation.takes for operation in operations)
        for when, state in (("now", node.state), ("later", self.later(node.state))):
            facts, problems = self.look(state)
            new = [each.text for each in problems if each.text not in self._excused]
            said += [f"{when}: {text}" for text in new if not takes]
            for lives, no in zip(promises, failed, strict=True):
                if not no:
                    promised = lives.now if when == "now" else lives.later
                    said += [f"{when}: {each}" for each in _broken(promised, facts)]
        if said:
            steps = "; ".join(_step(choice) for choice in node.trace)
            self.found.append(f"{'; '.join(said)}\n    after {steps}")

    def cut_short(self, start: State, *, cap: int) -> None:
        """Check that a run may end at any call: then later runs do what it has left."""
        whole = self.settled(self.collected(start, NOW))
        explorer = Explorer(self.scene.loop, self.make, faults=1, second=NOW)
        seen = set[Hashable]()
        for node in explorer.explore(start, [collection(self.options)], cap=cap):
            self.moments += 1
            if node.state.key in seen:
                continue
            seen.add(node.state.key)
            _, problems = self.look(node.state)
            said = [problem.text for problem in problems]
            after = self.settled(node.state)
            said += [f"left: {path}" for path in _kept(after) - _kept(whole)]
            said += [f"lost: {path}" for path in _kept(whole) - _kept(after)]
            if said:
                steps = "; ".join(_step(choice) for choice in node.trace)
                self.found.append(f"{'; '.join(said)}\n    after {steps}")
        self.runs += explorer.runs


def _kept(state: State) -> set[str]:
    """Return the paths of what is not the collections' own."""
    return {path for path in state.objects if "/_gc/" not in path}


def _step(choice: tuple[tuple[int, str, str, int], str]) -> str:
    (number, method, path, _), how = choice
    course = "" if how == ANSWERED else f" [{how}]"
    return f"{number + 1}.{method} {path.removeprefix(LAYOUT.base)[-60:]}{course}"


def summary(checkers: Sequence[CollectionChecker]) -> str:
    """Return how much was checked, as text."""
    moments = sum(checker.moments for checker in checkers)
    states = sum(checker.states for checker in checkers)
    runs = sum(checker.runs for checker in checkers)
    acknowledged = sum(checker.acknowledged for checker in checkers)
    return (
        f"{len(checkers)} cases, {moments} moments, {states} states of the store, {runs} runs, "
        f"{acknowledged} acknowledged ends"
    )


Start = Callable[[CollectionChecker], State]
