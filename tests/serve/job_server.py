"""`python -m tests.serve.job_server serve ...`: the registry on this machine, with two jobs.

``tick`` writes an object, ``ticks/N``, each second, but fails the first time; ``endless`` ends only
with the server.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from datetime import timedelta
from unittest.mock import patch

from registry_core.cli.main import main
from registry_core.jobs import Job, JobContext
from registry_core.serve import run

SECOND = timedelta(seconds=1)
_runs = itertools.count(1)


async def tick(context: JobContext) -> None:
    number = next(_runs)
    if number == 1:
        raise RuntimeError("the first run fails")
    await context.store.put(f"{context.layout.base}ticks/{number}", b"")


async def endless(_: JobContext) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    jobs = (Job("tick", SECOND, tick), Job("endless", SECOND, endless))
    with patch.object(run, "jobs_for", lambda _: jobs):
        sys.exit(main())
