"""CPU time and memory of a process, read from Linux's `/proc/PID`; see proc(5)."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KIB = 1024
SAMPLE_SECONDS = 0.02
_RESET_PEAK = "5"


@dataclass
class Peak:
    """The peak of a measured block; set when the block ends."""

    size: int = 0
    """In bytes."""
    sampled: bool = False
    """Whether the peak comes from samples, which may miss short peaks."""


class ProcessMeter:
    """Reads the usage of the process `pid`, without its children.

    :raises OSError: when the process does not exist.
    """

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self.resident()

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far by all threads, user and system."""
        # The command's name stands in parentheses and may contain anything; utime is field 14.
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        """Return the resident memory in bytes."""
        return self._status("VmRSS")

    def highest(self) -> int:
        """Return the most resident memory so far, in bytes."""
        return self._status("VmHWM")

    @contextmanager
    def peak_memory(self) -> Iterator[Peak]:
        """Measure the peak resident memory during the block.

        Reads the kernel's high-water mark; samples where that mark cannot be reset.
        """
        peak = Peak()
        try:
            (self._folder / "clear_refs").write_text(_RESET_PEAK)
        except PermissionError:
            with self._sampling(peak):
                yield peak
        else:
            yield peak
            peak.size = self._status("VmHWM")

    @contextmanager
    def _sampling(self, peak: Peak) -> Iterator[None]:
        peak.sampled = True
        over = threading.Event()

        def sample() -> None:
            while not over.wait(SAMPLE_SECONDS):
                peak.size = max(peak.size, self.resident())

        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            yield
        finally:
            over.set()
            sampler.join()
        peak.size = max(peak.size, self.resident())

    def _status(self, field: str) -> int:
        text = (self._folder / "status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
        if found is None:
            raise ProcessLookupError(f"{self._folder} has no {field}: the process has ended")
        return int(found[1]) * KIB
