"""The worker's references to requests are released, and abandoned invocations are ended."""

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
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The references that a worker keeps: an invocation with its request, and one without."""
    there = Reference()
    there.http_request_available_event.set()
    references: dict[str, Any] = {"with": there, "without": Reference()}
    worker = SimpleNamespace(http_coordinator=SimpleNamespace(_context_references=references))
    monkeypatch.setitem(sys.modules, "azure_functions_runtime.http_v2", worker)
    return references


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return Request({"type": "http", "headers": raw})


async def test_a_finished_request_is_released(kept: dict[str, Any]) -> None:
    InvocationReferences().release(request(x_ms_invocation_id="with"))
    assert set(kept) == {"without"}


async def test_references_of_other_requests_are_kept(kept: dict[str, Any]) -> None:
    InvocationReferences().release(request())
    InvocationReferences().release(request(x_ms_invocation_id="of another"))
    assert set(kept) == {"with", "without"}


async def test_an_abandoned_invocation_is_woken_and_then_released(kept: dict[str, Any]) -> None:
    clock = Clock()
    references = InvocationReferences(clock)
    event = kept["without"].http_request_available_event
    references.end_abandoned()
    clock.pass_by(PATIENCE - 1)
    references.end_abandoned()
    assert not event.is_set()
    clock.pass_by(2)
    references.end_abandoned()
    assert event.is_set()
    assert set(kept) == {"with", "without"}
    references.end_abandoned()
    assert set(kept) == {"with"}


async def test_an_invocation_whose_request_comes_late_is_kept(kept: dict[str, Any]) -> None:
    clock = Clock()
    references = InvocationReferences(clock)
    references.end_abandoned()
    kept["without"].http_request_available_event.set()
    clock.pass_by(PATIENCE + 1)
    references.end_abandoned()
    references.end_abandoned()
    assert set(kept) == {"with", "without"}


@pytest.mark.parametrize("other", [None, [], SimpleNamespace()])
async def test_a_worker_with_other_references_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, other: object
) -> None:
    worker = SimpleNamespace(http_coordinator=SimpleNamespace(_context_references=other))
    monkeypatch.setitem(sys.modules, "azure_functions_runtime.http_v2", worker)
    references = InvocationReferences()
    references.release(request(x_ms_invocation_id="with"))
    references.end_abandoned()
