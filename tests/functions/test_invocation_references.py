"""What Functions' worker keeps of requests is let go of, and what waits in vain is ended."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from registry_core.functions.invocations import PATIENCE, InvocationReferences
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


@dataclass
class Reference:
    """As `AsyncContextReference` of the runtime."""

    http_request_available_event: asyncio.Event = field(default_factory=asyncio.Event)


@pytest.fixture
def references(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The references_ of a worker, one invocation with its request and one without."""
    there = Reference()
    there.http_request_available_event.set()
    kept: dict[str, Any] = {"with": there, "without": Reference()}
    worker = SimpleNamespace(http_coordinator=SimpleNamespace(_context_references=kept))
    monkeypatch.setitem(sys.modules, "azure_functions_runtime.http_v2", worker)
    return kept


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return Request({"type": "http", "headers": raw})


async def test_what_is_over_is_let_go_of(references: dict[str, Any]) -> None:
    InvocationReferences().release(request(x_ms_invocation_id="with"))
    assert set(references) == {"without"}


async def test_what_is_not_the_workers_is_left_alone(references: dict[str, Any]) -> None:
    InvocationReferences().release(request())
    InvocationReferences().release(request(x_ms_invocation_id="of another"))
    assert set(references) == {"with", "without"}


async def test_who_waits_in_vain_is_woken_and_then_forgotten(references: dict[str, Any]) -> None:
    clock = Clock()
    references_ = InvocationReferences(clock)
    event = references["without"].http_request_available_event
    references_.end_abandoned()
    clock.pass_by(PATIENCE - 1)
    references_.end_abandoned()
    assert not event.is_set()
    clock.pass_by(2)
    references_.end_abandoned()
    assert event.is_set()
    assert set(references) == {"with", "without"}
    references_.end_abandoned()
    assert set(references) == {"with"}


async def test_a_request_that_comes_late_is_not_given_up(references: dict[str, Any]) -> None:
    clock = Clock()
    references_ = InvocationReferences(clock)
    references_.end_abandoned()
    references["without"].http_request_available_event.set()
    clock.pass_by(PATIENCE + 1)
    references_.end_abandoned()
    references_.end_abandoned()
    assert set(references) == {"with", "without"}


@pytest.mark.parametrize("kept", [None, [], SimpleNamespace()])
async def test_a_worker_that_keeps_its_books_elsewhere_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, kept: object
) -> None:
    worker = SimpleNamespace(http_coordinator=SimpleNamespace(_context_references=kept))
    monkeypatch.setitem(sys.modules, "azure_functions_runtime.http_v2", worker)
    references_ = InvocationReferences()
    references_.release(request(x_ms_invocation_id="with"))
    references_.end_abandoned()
