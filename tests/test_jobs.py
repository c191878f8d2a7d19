"""Maintenance jobs run when they are due, one run at a time, while the application lives."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from starlette.types import Message

from registry_core.app import RegistryApp, asgi_from_environment
from registry_core.config import read_settings
from registry_core.jobs import Job, JobContext, jobs_for, run_jobs
from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.server.application import Application
from registry_core.storage.layout import Layout

pytestmark = pytest.mark.anyio

SOON = timedelta(seconds=0.02)
CONTEXT = JobContext(MemoryStore(), Layout())
SETTINGS = {
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "unused",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
    "REGISTRY_HTTP_SECRET": "a secret of the tests, long enough for everybody",
}

EVERY_JOB = {"REGISTRY_GC_ENABLED": "true"}
"""Settings that switch all jobs on."""


async def nothing(_: JobContext) -> None:
    return


async def context() -> JobContext:
    return CONTEXT


@asynccontextmanager
async def running(
    *table: Job, context: Callable[[], Awaitable[JobContext]] = context
) -> AsyncIterator[None]:
    task = asyncio.create_task(run_jobs(table, context))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Runs:
    """A job's function that counts its runs; the first ``fail`` of them fail."""

    def __init__(self, fail: int = 0) -> None:
        self.contexts: list[JobContext] = []
        self._fail = fail
        self._changed = asyncio.Condition()

    async def __call__(self, context: JobContext) -> None:
        async with self._changed:
            self.contexts.append(context)
            self._changed.notify_all()
        if len(self.contexts) <= self._fail:
            raise RuntimeError("this run fails")

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.contexts) >= count)


def test_the_jobs_of_the_registry_have_different_names_and_schedules_of_azure() -> None:
    jobs = jobs_for(read_settings(SETTINGS | EVERY_JOB))
    names = [job.name for job in jobs]
    assert names
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_-]{0,127}", name) for name in names)
    assert all(job.ncrontab() for job in jobs)


def test_a_registry_without_garbage_collection_has_no_job() -> None:
    """On Azure Functions it then has no timer, which would start an instance every hour."""
    assert jobs_for(read_settings(SETTINGS)) == ()


def test_a_read_only_registry_has_no_job_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    read_only = {"REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED": "true"}
    assert jobs_for(read_settings(SETTINGS | EVERY_JOB | read_only)) == ()
    [record] = caplog.records
    assert record.getMessage() == (
        "REGISTRY_GC_ENABLED has no effect while REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED is "
        "true: no garbage is collected"
    )


@pytest.mark.parametrize(
    "interval, expression",
    [
        (timedelta(seconds=1), "*/1 * * * * *"),
        (timedelta(seconds=30), "*/30 * * * * *"),
        (timedelta(minutes=1), "0 */1 * * * *"),
        (timedelta(minutes=15), "0 */15 * * * *"),
        (timedelta(hours=1), "0 0 */1 * * *"),
        (timedelta(hours=12), "0 0 */12 * * *"),
        (timedelta(days=1), "0 0 0 * * *"),
    ],
)
def test_an_interval_is_a_schedule_of_azure(interval: timedelta, expression: str) -> None:
    """As the first examples of Azure's documentation of timers have it."""
    assert Job("sample", interval, nothing).ncrontab() == expression


@pytest.mark.parametrize(
    "interval",
    [
        timedelta(0),
        timedelta(seconds=0.5),
        timedelta(seconds=7),
        timedelta(seconds=90),
        timedelta(minutes=45),
        timedelta(hours=5),
        timedelta(days=2),
    ],
)
def test_an_interval_that_azure_cannot_repeat_is_refused(interval: timedelta) -> None:
    with pytest.raises(ValueError, match="a timer cannot run every"):
        Job("sample", interval, nothing).ncrontab()


@pytest.mark.parametrize(
    "interval, now, due",
    [
        (timedelta(minutes=15), "12:07:30.5", "12:15:00"),
        (timedelta(minutes=15), "12:15:00", "12:30:00"),
        (timedelta(hours=6), "23:59:59.9", "23:59:59.9"),
    ],
)
def test_jobs_are_due_by_the_clock_not_by_the_start(
    interval: timedelta, now: str, due: str
) -> None:
    """So all hosts agree on it; in Azure, timers are due at the same times."""
    day = datetime(2026, 11, 27, tzinfo=UTC).date()
    start = datetime.fromisoformat(f"{day}T{now}+00:00")
    expected = datetime.fromisoformat(f"{day}T{due}+00:00")
    if expected == start:
        expected = datetime(2026, 11, 28, tzinfo=UTC)
    job = Job("sample", interval, nothing)
    assert job.next_run(start.timestamp()) == expected.timestamp()


async def test_a_job_runs_again_and_again() -> None:
    runs = Runs()
    async with running(Job("sample", SOON, runs)):
        await runs.reach(3)
    assert runs.contexts[:3] == [CONTEXT] * 3


async def test_a_run_is_never_early_even_if_the_event_loop_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a job would run twice at once: just before it is due, and when it is."""
    clock = SimpleNamespace(now=1000.0)
    starts: list[float] = []

    async def sleep(seconds: float) -> None:
        clock.now += seconds * 0.9 if seconds > 0.01 else seconds + 0.001
        await sleep_really(0)

    async def note(_: JobContext) -> None:
        starts.append(clock.now)

    sleep_really = asyncio.sleep
    monkeypatch.setattr("registry_core.jobs.time.time", lambda: clock.now)
    monkeypatch.setattr("registry_core.jobs.asyncio.sleep", sleep)
    async with running(Job("sample", timedelta(minutes=1), note)):
        while len(starts) < 3:
            await sleep_really(0)
    assert [start // 60 * 60 for start in starts[:3]] == [1020, 1080, 1140]
    assert all(start % 60 < 1 for start in starts)


async def test_a_failed_run_is_logged_and_the_next_one_takes_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs, other = Runs(fail=1), Runs()
    async with running(Job("sample", SOON, runs), Job("other", SOON, other)):
        await runs.reach(2)
        await other.reach(2)
    assert "the job sample failed" in caplog.text
    assert "this run fails" in caplog.text


async def test_what_fails_because_of_storage_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def unavailable(_: JobContext) -> None:
        raise StoreUnavailable("list_page: 503 ServerBusy")

    other = Runs()
    async with running(Job("sample", SOON, unavailable), Job("other", SOON, other)):
        await other.reach(3)
    record = caplog.records[0]
    assert record.getMessage().startswith("the job sample failed; it runs again every 0:00:00.02")
    assert record.getMessage().endswith(": list_page: 503 ServerBusy")
    assert record.exc_info is None


async def test_storage_that_cannot_be_opened_fails_one_run_only() -> None:
    runs = Runs()
    attempts = 0

    async def opened_at_the_second_attempt() -> JobContext:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise RuntimeError("storage cannot be opened")
        return CONTEXT

    async with running(Job("sample", SOON, runs), context=opened_at_the_second_attempt):
        await runs.reach(1)
    assert attempts > 1


async def test_a_long_run_is_not_joined_by_another() -> None:
    at_once, most = 0, 0
    runs = Runs()

    async def run(context: JobContext) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(3 * SOON.total_seconds())
        at_once -= 1
        await runs(context)

    async with running(Job("sample", SOON, run)):
        await runs.reach(2)
    assert most == 1


async def lifespan(app: Application, inside: Callable[[], Awaitable[object]]) -> None:
    """Take an application through its lifespan, as an ASGI server does."""
    messages = iter(["lifespan.startup", "lifespan.shutdown"])
    sent = []

    async def receive() -> Message:
        message = next(messages)
        if message == "lifespan.shutdown":
            await inside()
        return {"type": message}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    assert sent == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.complete"},
    ]


async def test_jobs_run_for_the_lifespan_and_end_before_storage_is_closed() -> None:
    events: list[str] = []
    began = asyncio.Event()

    class Store(MemoryStore):
        async def close(self) -> None:
            events.append("closed")

    async def run(context: JobContext) -> None:
        assert isinstance(context.store, Store)
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cancelled")

    store = Store()
    app = RegistryApp(read_settings(SETTINGS), lambda _: store, jobs=[Job("sample", SOON, run)])
    async with asyncio.timeout(20):
        await lifespan(app.application, began.wait)
    assert events == ["cancelled", "closed"]


@pytest.mark.parametrize("asked", [False, True])
async def test_an_application_for_any_host_runs_jobs_only_if_asked_to(
    monkeypatch: pytest.MonkeyPatch, *, asked: bool
) -> None:
    """Its replicas come and go, and would all do the same work."""
    runs = Runs()
    monkeypatch.setattr("registry_core.app.jobs_for", lambda _: (Job("sample", SOON, runs),))
    # The store is opened without a call then.
    settings = {
        "REGISTRY_STORAGE_AZURE_ACCOUNTKEY": "dW51c2Vk",
        "REGISTRY_STORAGE_AZURE_ROOTDIRECTORY": ".",
    }
    for name, value in (SETTINGS | settings).items():
        monkeypatch.setenv(name, value)
    app = asgi_from_environment(jobs=True) if asked else asgi_from_environment()
    wait = runs.reach(1) if asked else asyncio.sleep(5 * SOON.total_seconds())
    await lifespan(app, lambda: wait)
    assert bool(runs.contexts) == asked
