"""A clock that a test sets."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Begins with the time that it is, and stands still until it is moved."""

    time: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += seconds
