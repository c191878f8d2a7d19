"""A container looked at as a whole: what is in it, what is wrong, and what can be put right.

`examination` walks over everything once; `repository` and its neighbours judge what they see;
`repairs` and `replacing` are all that writes, and only when that was asked for.
"""

from .case import Options, Progress, Tell
from .examination import examine
from .report import Finding, Report, Trouble

__all__ = ["Finding", "Options", "Progress", "Report", "Tell", "Trouble", "examine"]
