"""Ids and nonces that come out the same in every run, and differ from one operation to the next."""

from __future__ import annotations

import random
import secrets
import uuid
from contextvars import ContextVar

import pytest

_source: ContextVar[random.Random] = ContextVar("source of ids and nonces")


def draw_from(name: str) -> None:
    """From here on this task, and those it starts, have ids of their own."""
    _source.set(random.Random(name))


def leave_nothing_to_chance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(secrets, "token_hex", lambda size: _source.get().randbytes(size).hex())
    patch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=_source.get().randbytes(16), version=4))
