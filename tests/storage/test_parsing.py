"""Parsing a manifest leaves the event loop free, whatever the manifest contains."""

import asyncio
import time
from contextlib import suppress

import pytest

from registry_core.aio import off_loop
from registry_core.spec.errors import ManifestInvalid
from registry_core.spec.manifest import MAX_MANIFEST_BYTES, parse_manifest
from tests.support.content import image_manifest

pytestmark = pytest.mark.anyio

# Seconds of this process's CPU time, which a busy machine does not change. Without a limit on the
# number of values, the worst of these took 0.5.
LONGEST = 0.3


def filled(unit: str) -> bytes:
    """Return a manifest of 4 MiB with a list of as many as fit."""
    values = (unit * ((MAX_MANIFEST_BYTES - 2000) // len(unit)))[:-1]
    return image_manifest()[:-1] + f', "x": [{values}]}}'.encode()


UNITS = ["[],", "{},", "1,", "1.5,", '{"a":1},', '"",', "1" * 4300 + ",", '"' + "a" * 50 + '",']


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit[:10])
async def test_no_manifest_holds_up_other_requests(unit: str) -> None:
    content = filled(unit)
    reading = asyncio.create_task(off_loop(len(content), parse_manifest, content))
    longest, last = 0.0, time.process_time()
    while not reading.done():
        await asyncio.sleep(0.001)
        now = time.process_time()
        longest, last = max(longest, now - last), now
    with suppress(ManifestInvalid):
        await reading
    assert longest < LONGEST
