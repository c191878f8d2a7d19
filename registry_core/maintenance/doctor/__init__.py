"""The doctor: reports what a container holds and what is wrong with it, and repairs what it can.

`examine` walks the container once. `links`, `tags`, `manifests` and `repository` check what was
listed, `report` collects the results, and `repairs` has all that writes.
"""

from .context import DoctorOptions
from .examination import examine
from .report import DoctorReport, Finding, Problem

__all__ = ["DoctorOptions", "DoctorReport", "Finding", "Problem", "examine"]
