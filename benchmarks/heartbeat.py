"""How long an event loop is held: a beat every millisecond, and how late each one is.

On a busy machine a beat is also late because another process has the CPU. Linux counts that wait
for each thread (`/proc/PID/task/TID/schedstat`, proc(5)), so it can be left out.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

INTERVAL = 0.001
_FRAMES = 4
_IDLE = ("threading.py", "selectors.py", "queue.py", "thread.py", "heartbeat.py")


@dataclass(frozen=True)
class Gaps:
    """The gaps of a loop, in milliseconds."""

    beats: int
    longest: float
    """How late the latest beat was."""
    p99: float
    """How late the latest beat was, leaving out one percent."""
    held: float
    """The longest gap without the time in which the loop's thread waited for a CPU."""
    computed: float
    """The most CPU time that the loop's thread used between two beats."""


@dataclass
class Heartbeat:
    """Beats on the running loop, from `start` to `stop`."""

    last: float = 0.0
    """When it last beat, on the clock of `time.perf_counter`."""
    _late: list[float] = field(default_factory=list)
    _held: float = 0.0
    _computed: float = 0.0

    def start(self) -> None:
        """Start to beat on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._schedstat = os.open(
            f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY
        )
        self._late, self._held, self._computed = [], 0.0, 0.0
        self._remember(time.perf_counter())

    def stop(self) -> Gaps:
        """Stop, and return the gaps since the start."""
        self._timer.cancel()
        self._beat()
        self._timer.cancel()
        os.close(self._schedstat)
        late = sorted(self._late)
        return Gaps(
            len(late),
            1000 * late[-1],
            1000 * late[(len(late) - 1) * 99 // 100],
            1000 * self._held,
            1000 * self._computed,
        )

    def _beat(self) -> None:
        now = time.perf_counter()
        late = now - self.last - INTERVAL
        waited = self._waited() - self._waited_before
        self._late.append(max(late, 0.0))
        self._held = max(self._held, late - waited)
        self._computed = max(self._computed, time.thread_time() - self._cpu_before)
        self._remember(now)

    def _remember(self, now: float) -> None:
        self.last = now
        self._waited_before = self._waited()
        self._cpu_before = time.thread_time()
        self._timer = self._loop.call_later(INTERVAL, self._beat)

    def _waited(self) -> float:
        """Return the seconds that this thread has waited for a CPU: the second field."""
        return int(os.pread(self._schedstat, 64, 0).split()[1]) / 1e9


class Watchdog(threading.Thread):
    """Counts what all threads were doing whenever the heart of ``thread`` had stopped for long.

    A thread inside a C function that keeps the interpreter locked is seen when it returns.
    """

    def __init__(self, heart: Heartbeat, thread: int, *, seconds: float) -> None:
        super().__init__(daemon=True)
        self._heart = heart
        self._thread = thread
        self._seconds = seconds
        self._over = threading.Event()
        self.seen: Counter[str] = Counter()

    def run(self) -> None:
        while not self._over.wait(INTERVAL):
            beat = self._heart.last
            if time.perf_counter() - beat > self._seconds:
                for ident, frame in sys._current_frames().items():
                    if text := _text(frame):
                        where = "loop" if ident == self._thread else "thread"
                        self.seen[f"{where}: {text}"] += 1

    def stop(self) -> None:
        """Stop and wait for the end."""
        self._over.set()
        self.join()


class SlowCallbacks:
    """Counts the callbacks of the running loop that take long, by what they call.

    asyncio's own loop only: its handles are written in Python.
    """

    def __init__(self, seconds: float) -> None:
        self.seen: Counter[str] = Counter()
        self.longest: dict[str, tuple[float, float]] = {}
        """Milliseconds of CPU and of wall-clock time, in the callback that used most CPU."""
        self._original = original = asyncio.Handle._run

        def run(handle: asyncio.Handle) -> None:
            wall, cpu = time.perf_counter(), time.thread_time()
            original(handle)
            took = time.thread_time() - cpu
            if time.perf_counter() - wall > seconds:
                name = _called(handle)
                self.seen[name] += 1
                sample = (1000 * took, 1000 * (time.perf_counter() - wall))
                self.longest[name] = max(self.longest.get(name, (0.0, 0.0)), sample)

        asyncio.Handle._run = run  # type: ignore[assignment,method-assign]

    def stop(self) -> None:
        """Stop counting."""
        asyncio.Handle._run = self._original  # type: ignore[method-assign]


def _called(handle: asyncio.Handle) -> str:
    """Return what a handle calls: of a task, its coroutine."""
    callback: Any = handle._callback  # type: ignore[attr-defined]
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return f"task {getattr(task.get_coro(), '__qualname__', task)}"
    return str(getattr(callback, "__qualname__", callback))


def _text(frame: FrameType) -> str:
    """Return the innermost frames as text; empty for a thread that waits."""
    frames = list(_outwards(frame))
    if frames[0].f_code.co_filename.endswith(_IDLE):
        return ""
    return " < ".join(
        f"{'/'.join(each.f_code.co_filename.split('/')[-2:])}:{each.f_lineno} {each.f_code.co_name}"
        for each in frames[:_FRAMES]
    )


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
