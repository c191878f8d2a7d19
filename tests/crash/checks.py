"""Checks each state that operations leave: what clients may see in it."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise, permutations
from typing import Any, TypeVar

from registry_core.spec.errors import RegistryError, Unavailable

from .chance import draw_from
from .loop import QuietLoop
from .operations import Act, Client, Operation
from .scene import uncached
from .schedule import ANSWERED, FAULTS, LATE, REPEATED, Choice, Explorer, Make, Node
from .shown import Facts, Look, Problem
from .stored import uploads
from .world import State, World

_HEX = re.compile(r"([0-9a-f]{6})[0-9a-f-]{20,}")
T = TypeVar("T")


class Ending(Enum):
    """How two concurrent operations may end.

    IN_TURN: as if one had come after the other. SEEN: the same, but answers may differ from that.
    WHOLE: what clients see is consistent; on the way a deletion may have to repair what it broke.
    """

    IN_TURN = "in turn"
    SEEN = "seen"
    WHOLE = "whole"


@dataclass
class Checker:
    """Explores operations over a store and collects violations in ``found``.

    ``moments`` counts the moments that were checked, ``states`` has the states of the store.
    """

    loop: QuietLoop
    make: Make = uncached
    states: set[Hashable] = field(default_factory=set)
    found: list[str] = field(default_factory=list)
    runs: int = 0
    moments: int = 0
    _repeated: dict[Hashable, list[str]] = field(default_factory=dict)
    _looks: dict[Hashable, tuple[Facts, list[Problem]]] = field(default_factory=dict)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def cut_short(self, start: State, operation: Operation) -> None:
        """Check every state in which the process can die, or one of the operation's calls fail."""
        before, after = self._both(start, operation)
        explorer = Explorer(self.loop, self.make, faults=1)
        for node in explorer.explore(start, [operation]):
            self.moments += 1
            self._see(node, operation, before, after)
            if node.outcomes is not None:
                self._ended(node, operation, after)
            for again in operation.again:
                self._repeat(node, operation, again, after)
        self.runs += explorer.runs

    def undone(self, start: State, operation: Operation, undo: Act) -> None:
        """Check that ``undo`` leads back to the start from every state that an operation leaves.

        Its process dies, or one of its calls fails.
        """
        before, _ = self._facts(start, may_lack=False)
        explorer, known = Explorer(self.loop, self.make, faults=1), dict[Hashable, list[str]]()
        for node in explorer.explore(start, [operation]):
            self.moments += 1
            if node.state.key not in known:
                state, outcome = self._alone(node.state, undo, "undone")
                facts, problems = self._facts(state, may_lack=False)
                failed = [repr(outcome)] if isinstance(outcome, Exception) else []
                said = [problem.text for problem in problems] + _difference(before, facts)
                known[node.state.key] = failed + said
            self._note(node, "undone:", known[node.state.key])
        self.runs += explorer.runs

    def interleaved(
        self,
        start: State,
        pair: Sequence[Operation],
        ending: Ending = Ending.IN_TURN,
        cap: int = 10**9,
    ) -> None:
        """Check every order of two operations' calls."""
        lacks = any(operation.takes for operation in pair)
        orders = [self._in_turn(start, order) for order in (pair, pair[::-1])]
        courses = [[self._facts(state, lacks)[0] for state in states] for states, _ in orders]
        ends = [
            (course[-1], [answers[operation] for operation in pair])
            for course, (_, answers) in zip(courses, orders, strict=True)
        ]
        explorer, seen = Explorer(self.loop, self.make), set[Hashable]()
        for node in explorer.explore(start, pair, cap=cap):
            self.moments += 1
            facts, problems = self._facts(node.state, lacks)
            if node.outcomes is None:
                if node.state.key in seen:
                    continue
                seen.add(node.state.key)
                if ending is Ending.WHOLE:
                    problems = [problem for problem in problems if not problem.is_missing]
                self._note(node, "", _between(courses, facts, problems))
                continue
            said = [problem.text for problem in problems]
            answers = [_text(outcome) for outcome in node.outcomes]
            if ending is Ending.WHOLE:
                said += _between(courses, facts, problems)
            elif not any(
                facts == end and (ending is Ending.SEEN or answers == outcomes)
                for end, outcomes in ends
            ):
                said += [f"not as in turn, with {answers}: {_difference(ends[0][0], facts)}"]
            self._note(node, "in the end", said)
        self.runs += explorer.runs

    def disturbed(
        self,
        start: State,
        pair: Sequence[Operation],
        faulty: int,
        *,
        switches: int | None = None,
        cap: int = 10**9,
    ) -> None:
        """Check two operations at the same time, one of which has one call that fails or is late.

        What the operations that succeed promise must hold: what they leave in either order.
        """
        explorer = Explorer(
            self.loop,
            self.make,
            faults=1,
            kinds=(*FAULTS, LATE),
            faulty=[faulty],
            switches=switches,
        )
        self._keeps(explorer, start, pair, self._promises(start, pair), cap)

    def at_once(
        self, start: State, operations: Sequence[Operation], *, switches: int, cap: int
    ) -> None:
        """Check any number of operations at the same time: what each promises must hold."""
        explorer = Explorer(self.loop, self.make, switches=switches)
        self._keeps(explorer, start, operations, self._promises(start, operations), cap)

    def _promises(self, start: State, operations: Sequence[Operation]) -> list[Facts]:
        """Return for each operation what holds after it in every order of all of them."""
        orders = list(permutations(range(len(operations))))
        return [
            _common(
                [
                    facts
                    for order in orders
                    for facts in self._after(
                        start, [operations[n] for n in order], order.index(number)
                    )
                ]
            )
            for number in range(len(operations))
        ]

    def late(self, start: State, pair: Sequence[Operation], cap: int = 10**9) -> None:
        """Check an operation after another, one of whose calls is late and takes place at any time.

        What the second one promises must hold: what it leaves with or without the first one.
        """
        one, other = pair
        promise = _common([*self._after(start, pair, 1), *self._after(start, (other, one), 0)[:1]])
        explorer = Explorer(self.loop, self.make, faults=1, kinds=[LATE], faulty=[0], in_turn=True)
        self._keeps(explorer, start, pair, [_NOTHING, promise], cap)

    def _after(self, start: State, order: Sequence[Operation], number: int) -> list[Facts]:
        """Return the facts after operation ``number`` in this order, and after each later one."""
        lacks = any(operation.takes for operation in order)
        states, _ = self._in_turn(start, order)
        return [self._facts(state, lacks)[0] for state in states[number + 1 :]]

    def _keeps(
        self,
        explorer: Explorer,
        start: State,
        operations: Sequence[Operation],
        promises: Sequence[Facts],
        cap: int,
    ) -> None:
        lacks = any(operation.takes for operation in operations)
        seen = set[Hashable]()
        for node in explorer.explore(start, operations, cap=cap):
            self.moments += 1
            if node.outcomes is None:
                continue
            failed = [isinstance(outcome, BaseException) for outcome in node.outcomes]
            key = (node.state.key, *failed)
            if key in seen:
                continue
            seen.add(key)
            facts, problems = self._facts(node.state, lacks)
            # A push that fails, or has a call on its way, may lead to what is deleted meanwhile.
            is_excused = any(op.adds and no for op, no in zip(operations, failed, strict=True))
            said = [each.text for each in problems if not (each.is_missing and is_excused)]
            said += [
                f"fails: {outcome!r}"
                for outcome in node.outcomes
                if isinstance(outcome, BaseException) and not isinstance(outcome, RegistryError)
            ]
            for promise, no in zip(promises, failed, strict=True):
                said += [] if no else _broken(promise, facts)
            # A deletion that a fault ends may have removed an entry, and not the manifest.
            if not is_excused and not (explorer.faults and any(failed)):
                said += [f"not listed: {_short(each)}" for each in facts.unlisted]
            self._note(node, "in the end", said)
        self.runs += explorer.runs

    def _both(self, start: State, operation: Operation) -> tuple[Facts, Facts]:
        state, outcome = self._alone(start, operation.act, "undisturbed")
        assert not isinstance(outcome, Exception), outcome
        after, problems = self._facts(state, operation.takes)
        assert (problems, uploads(state)) == ([], [])
        return self._facts(start, operation.takes)[0], after

    def _see(self, node: Node, operation: Operation, before: Facts, after: Facts) -> None:
        facts, problems = self._facts(node.state, operation.takes)
        self._note(node, "", _between([[before, after]], facts, problems))

    def _ended(self, node: Node, operation: Operation, after: Facts) -> None:
        """A fault may only make it answer 503, and a repeated call must go unnoticed."""
        assert node.outcomes is not None
        outcome = node.outcomes[0]
        if isinstance(outcome, BaseException):
            is_repeated = any(how == REPEATED for _, how in node.trace)
            if is_repeated or not isinstance(outcome, Unavailable):
                self._note(node, "it fails:", [repr(outcome)])
            return
        facts, problems = self._facts(node.state, operation.takes)
        if problems or facts != after:
            self._note(node, "in the end", [p.text for p in problems] + _difference(after, facts))

    def _repeat(self, node: Node, operation: Operation, again: Act, after: Facts) -> None:
        upload = node.uploads[0]
        key = (node.state.key, upload, again)
        if key not in self._repeated:
            state, outcome = self._alone(node.state, again, "repeated", Client(upload))
            facts, problems = self._facts(state, operation.takes)
            said = [problem.text for problem in problems] + _difference(after, facts)
            failed = [repr(outcome)] if isinstance(outcome, Exception) else []
            self._repeated[key] = failed + said
        self._note(node, f"repeated by {again.__name__}:", self._repeated[key])

    def _in_turn(
        self, start: State, order: Sequence[Operation]
    ) -> tuple[list[State], dict[Operation, str]]:
        states, answers = [start], dict[Operation, str]()
        for number, operation in enumerate(order):
            state, outcome = self._alone(states[-1], operation.act, f"in turn {number}")
            states.append(state)
            answers[operation] = _text(outcome)
        return states, answers

    def _alone(
        self, start: State, act: Act, name: str, client: Client | None = None
    ) -> tuple[State, Any]:
        world = World.of(start)
        world.second = 2

        async def go() -> Any:
            draw_from(name)
            try:
                return await act(self.make(world), client or Client())
            except Exception as error:  # noqa: BLE001 - it is checked
                return error

        outcome = self.run(go())
        return world.save(), outcome

    def _facts(self, state: State, may_lack: bool) -> tuple[Facts, list[Problem]]:  # noqa: FBT001
        if state.key not in self._looks:
            look = Look(uncached(World.of(state)), state, may_lack)
            self._looks[state.key] = (self.run(look.facts()), look.problems)
            self.states.add(state.key)
        return self._looks[state.key]

    def _note(self, node: Node, when: str, said: Sequence[str]) -> None:
        if said:
            steps = "; ".join(_step(choice) for choice in node.trace)
            self.found.append(f"{when} {'; '.join(said)}\n    after {steps}")


_NOTHING = Facts({}, frozenset())


def _common(all_facts: Sequence[Facts]) -> Facts:
    """Return what holds in all of them."""
    first, *rest = all_facts
    tags = {
        tag: digest
        for tag, digest in first.tags.items()
        if all(facts.tags.get(tag) == digest for facts in rest)
    }
    return Facts(tags, first.others.intersection(*(facts.others for facts in rest)))


def _broken(promise: Facts, facts: Facts) -> list[str]:
    """Return what was promised and does not hold."""
    return [f"lost: {_short(fact)}" for fact in promise.others - facts.others] + [
        f"{tag} is {_short((facts.tags.get(tag),))}, not {_short((digest,))}"
        for tag, digest in promise.tags.items()
        if facts.tags.get(tag) != digest
    ]


def summary(checkers: Sequence[Checker]) -> str:
    """Return how much was checked, as text."""
    moments = sum(checker.moments for checker in checkers)
    states = sum(len(checker.states) for checker in checkers)
    runs = sum(checker.runs for checker in checkers)
    return f"{len(checkers)} cases, {moments} moments, {states} states of the store, {runs} runs"


def _between(
    courses: Sequence[Sequence[Facts]], facts: Facts, problems: Sequence[Problem]
) -> list[str]:
    """Return what contradicts that everything follows one of the courses."""
    return list(_contradictions(courses, facts, problems))


def _contradictions(
    courses: Sequence[Sequence[Facts]], facts: Facts, problems: Sequence[Problem]
) -> Iterator[str]:
    may_be = [one for course in courses for one in course]
    tags = {tag: {one.tags.get(tag) for one in may_be} for one in may_be for tag in one.tags}
    deleted = {
        tag for course in courses for a, b in pairwise(course) for tag in a.tags.keys() - b.tags
    }
    yield from (problem.text for problem in problems if problem.tag not in deleted)
    for tag in {**tags, **facts.tags}:
        if facts.tags.get(tag) not in tags.get(tag, ()):
            yield f"{tag} is {facts.tags.get(tag)}"
    for lost in frozenset.intersection(*(one.others for one in may_be)) - facts.others:
        yield f"lost: {_short(lost)}"
    for new in facts.others - frozenset.union(*(one.others for one in may_be)):
        yield f"out of nowhere: {_short(new)}"


def _difference(wanted: Facts, facts: Facts) -> list[str]:
    differing = [f"lacks {_short(fact)}" for fact in wanted.others - facts.others]
    differing += [f"has {_short(fact)}" for fact in facts.others - wanted.others]
    tags = {**wanted.tags, **facts.tags}
    differing += [
        f"{tag} is {_short((facts.tags.get(tag),))}, not {_short((wanted.tags.get(tag),))}"
        for tag in tags
        if wanted.tags.get(tag) != facts.tags.get(tag)
    ]
    return differing


def _short(fact: Sequence[object]) -> str:
    return " ".join(str(part)[:16] for part in fact)


def _text(outcome: object) -> str:
    return type(outcome).__name__ if isinstance(outcome, BaseException) else str(outcome)


def _step(choice: Choice) -> str:
    (operation, method, path, _), how = choice
    short = _HEX.sub(r"\1", path).rpartition("/v2/")[2]
    return f"{operation + 1}. {method} {short}" + ("" if how == ANSWERED else f" ({how})")
