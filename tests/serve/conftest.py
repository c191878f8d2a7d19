"""A local server that serves the sample application."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.host import RunningHost

from .sample import start_sample


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with start_sample() as running:
        yield running
