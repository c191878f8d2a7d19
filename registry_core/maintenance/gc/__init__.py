"""The collection of garbage while clients push: condemn, wait, sweep.

`collect` does one run, or a slice of one; `pardon_all` takes every mark off. `run` has the order in
which everything happens, `acts` the rule and why it is safe. `layer_links`, `manifests`, `content`
and `leftovers` are the four classes of garbage; `repository` and `reading` say what is referenced,
`liveness` and `wanted` what retention lets go. `storage.condemnation` has the rules for writers.
"""

from .collect import collect, pardon_all
from .options import GcOptions
from .record import LatestRun, latest_run
from .report import GcReport, Usage
from .summary import Summary, read_summary

__all__ = [
    "GcOptions",
    "GcReport",
    "LatestRun",
    "Summary",
    "Usage",
    "collect",
    "latest_run",
    "pardon_all",
    "read_summary",
]
