"""The project's function_app, with two jobs of its own: one succeeds, one fails."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from registry_core import jobs

_PROJECT_APP = Path(__file__).parents[3] / "function_app.py"


async def write_an_object(context: jobs.JobContext) -> None:
    await context.store.put(f"{context.layout.base}written-by-a-job", b"")


async def fail(_: jobs.JobContext) -> None:
    raise LookupError("this job fails")


_TABLE = (
    jobs.Job("sample-job", timedelta(hours=6), write_an_object),
    jobs.Job("failing_job", timedelta(minutes=15), fail),
)
_spec = importlib.util.spec_from_file_location("project_function_app", _PROJECT_APP)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
with patch.object(jobs, "jobs_for", lambda *_, **__: _TABLE):
    _spec.loader.exec_module(_module)
app = _module.app
