"""The memory of the runtime's process over many requests and a large body."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import httpx
import pytest

from registry_core.spec.digest import Digest
from tests.functions.conftest import Start
from tests.support.host import PROJECT, RunningHost
from tools.process_meter import ProcessMeter

MIB = 1 << 20
GIB = 1 << 30
WARM = 4_000  # requests until caches and pools are filled
CONNECTIONS = 4


@pytest.fixture
def fresh(start: Start, settings: dict[str, str]) -> Iterator[RunningHost]:
    """Start an instance that has served no request yet."""
    limit = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(2 * GIB)}
    with start(PROJECT, settings | limit) as host:
        yield host


def send(host: RunningHost, count: int) -> None:
    """Send so many requests over a few persistent connections."""

    def some(share: int) -> None:
        connection = HTTPConnection("127.0.0.1", host.port, timeout=60)
        for _ in range(share):
            connection.request("GET", "/v2/")
            answer = connection.getresponse()
            assert answer.read() == b"{}"
        connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as clients:
        list(clients.map(some, [count // CONNECTIONS] * CONNECTIONS))


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_20_000_requests_leave_nothing_behind(fresh: RunningHost) -> None:
    """The runtime by itself keeps 2 KB of each: 32 MiB here.

    The unit tests of the worker show in every run that nothing is kept.
    """
    meter = ProcessMeter(fresh.pid)
    send(fresh, WARM)
    before = meter.resident()
    send(fresh, 20_000 - WARM)
    growth = (meter.resident() - before) / MIB
    assert growth < 8


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "size", [256 * MIB, pytest.param(GIB, marks=pytest.mark.nightly)], ids=["256 MiB", "1 GiB"]
)
def test_a_chunked_push_takes_bounded_memory(fresh: RunningHost, size: int) -> None:
    """Some blocks of 8 MiB, however large the layer is."""
    pieces = [bytes([number]) * MIB for number in range(16)]

    def layer() -> Iterator[bytes]:
        for number in range(size // MIB):
            yield pieces[number % len(pieces)]

    meter = ProcessMeter(fresh.pid)
    before = meter.resident()
    with httpx.Client(base_url=fresh.url, timeout=300) as client, meter.peak_memory() as peak:
        location = client.post("/v2/large/chunked/blobs/uploads/").headers["Location"]
        patched = client.patch(location, content=layer())
        assert (patched.status_code, patched.headers["Range"]) == (202, f"0-{size - 1}")
        url = httpx.URL(patched.headers["Location"])
        digest = str(Digest.of(b"".join(layer())))
        assert client.put(url.copy_add_param("digest", digest)).status_code == 201
    assert peak.size - before < 160 * MIB
