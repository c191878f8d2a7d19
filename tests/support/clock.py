"""A clock controlled by the test."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Starts at the current time and stands still until it is advanced."""

    time: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += seconds
