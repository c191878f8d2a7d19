"""What the tests of Microsoft's runtime share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.functions_host.process import start_functions_host, what_is_missing
from tests.support.host import RunningHost

SAMPLE_APP = Path(__file__).parent / "sample_app"

Start = Callable[..., RunningHost]


@pytest.fixture(scope="session")
def start() -> Start:
    """`start_functions_host`. Where it cannot run tests skip; in CI only on an older Python."""
    missing = what_is_missing()
    version: tuple[int, ...] = sys.version_info[:2]
    if missing and os.environ.get("CI") and version >= (3, 13):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    return start_functions_host


@pytest.fixture(scope="module")
def sample(start: Start) -> Iterator[RunningHost]:
    """The sample app under the runtime."""
    with start(SAMPLE_APP, {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(512 << 20)}) as host:
        yield host
