"""Ids and nonces that are the same in every run, and differ between operations."""

from __future__ import annotations

import random
import secrets
import uuid
from contextvars import ContextVar

import pytest

_source: ContextVar[random.Random] = ContextVar("source of ids and nonces")


def draw_from(name: str) -> None:
    """Give this task, and those that it starts, ids of their own from here on."""
    _source.set(random.Random(name))


def leave_nothing_to_chance(patch: pytest.MonkeyPatch) -> None:
    """Replace the sources of randomness that the package uses."""
    patch.setattr(secrets, "token_hex", lambda size: _source.get().randbytes(size).hex())
    patch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=_source.get().randbytes(16), version=4))
