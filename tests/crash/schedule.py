"""Explores operations: their store calls take place one at a time, in every possible order.

Each call waits at a gate. When the loop is idle, one call is let through, and takes place as a
whole. The search is depth-first, by running again from the start; what follows from the same store
and the same answers is explored once.

A call may also be late: its operation gets no answer, and it takes place at any later moment, even
after all operations have ended.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from registry_core.object_store.batches import settled
from registry_core.object_store.errors import NotFound, StoreError, StoreUnavailable
from registry_core.object_store.interface import Condition, ObjectStore, delete_if
from registry_core.registry import Registry, Upload

from .chance import draw_from
from .loop import QuietLoop
from .operations import Client, Operation
from .world import State, World, now, number_of

Label = tuple[int, str, str, int]
"""Identifies a call: the number of its operation, method, path, and how many such came before."""

Choice = tuple[Label, str]
"""A call and its course: ANSWERED, or one of the faults."""

ANSWERED = "answered"
LOST = "answer lost"
REFUSED = "refused"
REPEATED = "answer lost and repeated"
LATE = "not answered, on its way"
ARRIVED = "arrived late"
FAULTS = (REFUSED, LOST, REPEATED)
READS = frozenset(
    {"head", "get", "get_range", "list_page", "committed_blocks", "uncommitted_blocks"}
)


class Died(BaseException):
    """The process has died: nothing in it catches this and continues."""


Make = Callable[[ObjectStore], Registry]


@dataclass(frozen=True)
class Node:
    """A moment of a run. ``outcomes`` is set when all operations have ended."""

    state: State
    trace: tuple[Choice, ...]
    uploads: tuple[Upload | None, ...]
    outcomes: tuple[Any, ...] | None = None


@dataclass
class _Call:
    label: Label
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    answer: asyncio.Future[Any]

    def settle(self, outcome: Any) -> None:
        """Answer the call, unless it was cancelled: then it took place all the same."""
        if self.answer.done():
            return
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


@dataclass
class _Gate:
    """An object store for one operation, whose calls wait in ``waiting``."""

    number: int
    waiting: dict[Label, _Call]
    is_dead: bool = False
    _made: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def delete_batch(self, items: Sequence[tuple[str, Condition]]) -> Sequence[bool]:
        """Make each deletion of a batch a call of its own: so they take place in storage."""
        store = cast(ObjectStore, self)
        deletions = [delete_if(store, path, condition) for path, condition in items]
        outcomes = await asyncio.gather(*deletions, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, StoreError):
                raise outcome
        return settled(cast("list[bool | StoreError]", outcomes))

    async def staging_url(self, path: str, *, seconds: int) -> str:
        """Sign without a call, as a rule."""
        return f"memory:/{path}?comp=block"

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.is_dead:
                raise Died
            path = args[0] if args else ""
            self._made[method, path] += 1
            label = (self.number, method, path, self._made[method, path])
            answer = asyncio.get_running_loop().create_future()
            self.waiting[label] = _Call(label, (args, kwargs), answer)
            return await answer

        return call


@dataclass
class Explorer:
    """``make`` builds a registry for each operation: each has an instance of its own.

    ``faults``: how many calls of a run may fail, ``kinds``: how, ``faulty``: those of which
    operations, by number. ``in_turn``: each operation begins when the one before has ended.
    ``switches``: how often one operation has to wait for another although it could go on; None: in
    every order. Most faults in concurrent programs need two or three. ``second``: when all of it
    takes place. ``runs`` counts the runs so far.
    """

    loop: QuietLoop
    make: Make
    faults: int = 0
    kinds: Sequence[str] = FAULTS
    faulty: Collection[int] = (0, 1)
    in_turn: bool = False
    switches: int | None = None
    second: int = 1
    runs: int = 0

    def explore(
        self, start: State, operations: Sequence[Operation], *, cap: int = 10**9, seed: int = 0
    ) -> Iterator[Node]:
        """Yield every moment of every order, the first time it is reached.

        After ``cap`` runs, as many again sample the remaining orders at random.
        """
        paths, seen = _Paths(), set[Hashable]()
        ahead: list[tuple[Choice, ...]] = [()]
        chance = random.Random(seed)
        runs = 0
        while ahead and runs < 2 * cap:
            if runs >= cap:
                chance.shuffle(ahead)
            run = _Run(self, World.of(start), operations, seen, paths, ahead.pop())
            yield from run.go()
            ahead += run.ahead
            runs += 1
            if paths.were_mistaken():
                ahead, seen = [()], set()
        self.runs += runs


@dataclass
class _Paths:
    """``written``: the paths that any operation writes in any run.

    The order of reads of other paths does not matter: they are ``spared`` from being reordered.
    """

    written: set[str] = field(default_factory=set)
    spared: set[tuple[str, str]] = field(default_factory=set)

    def matters(self, method: str, path: str) -> bool:
        if method == "list_page":
            return any(written.startswith(path) for written in self.written)
        return method not in READS or path in self.written

    def were_mistaken(self) -> bool:
        """Return whether one of those reads met a write after all: then the search starts over."""
        met = any(self.matters(*read) for read in self.spared)
        if met:
            self.spared.clear()
        return met


@dataclass
class _Run:
    explorer: Explorer
    world: World
    operations: Sequence[Operation]
    seen: set[Hashable]
    paths: _Paths
    prefix: tuple[Choice, ...]
    ahead: list[tuple[Choice, ...]] = field(default_factory=list)
    _trace: list[Choice] = field(default_factory=list)
    _waiting: dict[Label, _Call] = field(default_factory=dict)
    _late: dict[Label, _Call] = field(default_factory=dict)
    _known: set[int] = field(default_factory=set)
    _nodes: list[Node] = field(default_factory=list)
    _abandoned: bool = False
    _last: int = 0
    _switches: int = 0

    def go(self) -> list[Node]:
        self.world.second = self.explorer.second
        self._gates = [_Gate(number, self._waiting) for number in range(len(self.operations))]
        self._clients = [Client() for _ in self.operations]
        loop = self.explorer.loop
        loop.when_idle = self._step
        outcomes = loop.run_until_complete(self._all())
        loop.when_idle = lambda: False
        if not self._abandoned:
            self._note(tuple(outcomes))
            for label in sorted(self._late):
                self._take((label, ARRIVED))
                self._note(tuple(outcomes))
        return self._nodes

    async def _all(self) -> list[Any]:
        ended = [asyncio.Event() for _ in self.operations]
        ones = (self._one(number, ended) for number in range(len(self.operations)))
        return await asyncio.gather(*ones, return_exceptions=True)

    async def _one(self, number: int, ended: Sequence[asyncio.Event]) -> Any:
        if self.explorer.in_turn and number:
            await ended[number - 1].wait()
        try:
            return await self._act(number)
        finally:
            ended[number].set()

    async def _act(self, number: int) -> Any:
        draw_from(f"operation {number}")
        registry = self.explorer.make(cast(ObjectStore, self._gates[number]))
        return await self.operations[number].act(registry, self._clients[number])

    def _step(self) -> bool:
        """Let one call take place; the alternatives are left to later runs."""
        if not self._waiting:
            return False
        depth = len(self._trace)
        if depth < len(self.prefix):
            self._take(self.prefix[depth])
            return True
        state = self._note(None)
        fresh = [choice for choice in self._choices() if self._is_new(state, choice)]
        if not fresh:
            self._abandon()
            return True
        first, *others = fresh
        self.ahead += [(*self._trace, other) for other in reversed(others)]
        self._take(first)
        return True

    def _is_new(self, state: State, choice: Choice) -> bool:
        """Return whether no other run explores what follows.

        What operations do next depends only on the answers that they have received.
        """
        world = World.of(state)
        world.second = self.world.second
        label, how = choice
        late, known = set(self._late), set(self._known)
        if how == ARRIVED:
            _call(world, self._late[label])
            late.remove(label)
        else:
            answer = _text(_perform(world, self._waiting[label], how))
            known.add(number_of((choice, answer)))
        if how == LATE:
            late.add(label)
        key: Hashable = (world.save().key, frozenset(known), frozenset(late))
        if self.explorer.switches is not None:
            key = (key, label[0], self._switches + self._is_switch(choice))
        if key in self.seen:
            return False
        self.seen.add(key)
        return True

    def _note(self, outcomes: tuple[Any, ...] | None) -> State:
        state = self.world.save()
        uploads = tuple(client.upload for client in self._clients)
        self._nodes.append(Node(state, tuple(self._trace), uploads, outcomes))
        return state

    def _choices(self) -> list[Choice]:
        waiting = sorted(self._waiting)
        free = [label for label in waiting if not self.paths.matters(label[1], label[2])]
        self.paths.spared.update((method, path) for _, method, path, _ in free)
        choices = [(label, ANSWERED) for label in free[:1] or waiting]
        explorer = self.explorer
        if explorer.switches is not None:
            waiting = self._reachable(waiting)
            choices = [(label, ANSWERED) for label in waiting]
        if sum(how not in (ANSWERED, ARRIVED) for _, how in self._trace) < explorer.faults:
            for label in waiting:
                if label[0] in explorer.faulty:
                    kinds = [REFUSED] if label[1] in READS else explorer.kinds
                    choices += [(label, how) for how in kinds if how in explorer.kinds]
        return choices + [(label, ARRIVED) for label in sorted(self._late)]

    def _reachable(self, waiting: Sequence[Label]) -> list[Label]:
        """Return the first call of each operation whose turn it may be."""
        first = {label[0]: label for label in reversed(waiting)}
        if self.explorer.switches == self._switches and self._last in first:
            return [first[self._last]]
        return sorted(first.values())

    def _is_switch(self, choice: Choice) -> bool:
        """Return whether the operation whose turn it was could go on, and has to wait."""
        (number, *_), how = choice
        could_go_on = any(label[0] == self._last for label in self._waiting)
        return how != ARRIVED and number != self._last and could_go_on

    def _take(self, choice: Choice) -> None:
        label, how = choice
        self._switches += self._is_switch(choice)
        self._trace.append(choice)
        if how != ARRIVED:
            self._last = label[0]
        if label[1] not in READS:
            self.paths.written.add(label[2])
        if how == ARRIVED:
            _call(self.world, self._late.pop(label))
            return
        call = self._waiting.pop(label)
        if how == LATE:
            self._late[label] = call
        outcome = _perform(self.world, call, how)
        self._known.add(number_of((choice, _text(outcome))))
        call.settle(outcome)

    def _abandon(self) -> None:
        self._abandoned = True
        for gate in self._gates:
            gate.is_dead = True
        for call in self._waiting.values():
            call.settle(Died())
        self._waiting.clear()


def _perform(world: World, call: _Call, how: str) -> Any:
    """Perform a call, and return the answer that the operation receives."""
    if how in (REFUSED, LATE):
        return StoreUnavailable(how)
    outcome = _call(world, call)
    if how == LOST:
        return StoreUnavailable("the answer is lost")
    if how == REPEATED and not isinstance(outcome, Exception):
        again = _call(world, call)
        # The store takes a repeated deletion that finds nothing for a success.
        is_gone = call.label[1] == "delete" and isinstance(again, NotFound)
        return None if is_gone else again
    return outcome


def _call(world: World, call: _Call) -> Any:
    args, kwargs = call.arguments
    try:
        return now(getattr(world, call.label[1])(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 - the operation receives it
        return error


def _text(outcome: Any) -> str:
    return type(outcome).__name__ if isinstance(outcome, Exception) else repr(outcome)
