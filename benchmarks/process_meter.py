"""What a process uses, as Linux tells it: proc(5), `/proc/PID/stat`, `status` and `clear_refs`."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .scale import KIB

SAMPLE_SECONDS = 0.02
_RESET_PEAK = "5"


@dataclass
class Peak:
    """Filled when the measured time is over."""

    size: int = 0
    """In bytes."""
    sampled: bool = False
    """Whether short peaks may have been missed, as the kernel's own mark could not be reset."""


class ProcessMeter:
    """The process `pid`, without its children. :raises OSError: when there is none."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self.resident()

    def cpu_seconds(self) -> float:
        """Time spent so far, all threads, in user code and in the kernel."""
        # The command's name stands in parentheses and may contain anything; utime is field 14.
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        """The memory it has now, in bytes."""
        return self._status("VmRSS")

    @contextmanager
    def peak_memory(self) -> Iterator[Peak]:
        """The most memory the process had within the block."""
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
