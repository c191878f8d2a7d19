"""Ids and nonces that are the same in every run, and differ between operations."""

from __future__ import annotations

import random
import secrets
import uuid
from contextvars import ContextVar
from datetime import datetime, tzinfo
from functools import partial
from importlib import import_module
from typing import Self

import pytest

from registry_core.maintenance.gc import record
from registry_core.storage.stored_registry import StoredRegistry

_source: ContextVar[random.Random] = ContextVar("source of ids and nonces")


def draw_from(name: str) -> None:
    """Give this task, and those that it starts, ids of their own from here on."""
    _source.set(random.Random(name))


class _Stopped(datetime):
    """A clock that stands still: it is part of ids."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 1, 1, tzinfo=tz)


def leave_nothing_to_chance(patch: pytest.MonkeyPatch) -> None:
    """Replace the sources of randomness that the package uses."""
    patch.setattr(secrets, "token_hex", lambda size: _source.get().randbytes(size).hex())
    patch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=_source.get().randbytes(16), version=4))
    patch.setattr(record, "datetime", _Stopped)
    module = import_module("registry_core.maintenance.gc.collect")  # the package has the function
    patch.setattr(module, "StoredRegistry", partial(StoredRegistry, now=lambda: 0.0))
