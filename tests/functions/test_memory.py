"""An instance that is never idle does not grow: the runtime's process over many requests."""

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
REQUESTS = 20_000
WARM = 4_000  # caches and pools are filled by then
CONNECTIONS = 4


@pytest.fixture
def fresh(start: Start, settings: dict[str, str]) -> Iterator[RunningHost]:
    """An instance that has served nothing yet."""
    limit = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(2 * GIB)}
    with start(PROJECT, settings | limit) as host:
        yield host


def ask(host: RunningHost, count: int) -> None:
    """That many requests, on a few connections that are kept."""

    def some(share: int) -> None:
        connection = HTTPConnection("127.0.0.1", host.port, timeout=60)
        for _ in range(share):
            connection.request("GET", "/v2/")
            answer = connection.getresponse()
            assert answer.read() == b"{}"
        connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as clients:
        list(clients.map(some, [count // CONNECTIONS] * CONNECTIONS))


@pytest.mark.timeout(900)
def test_20_000_requests_leave_nothing_behind(fresh: RunningHost) -> None:
    """The runtime by itself would keep 2 KB of each, 32 MiB here: see `server/worker.py`."""
    meter = ProcessMeter(fresh.pid)
    ask(fresh, WARM)
    before = meter.resident()
    ask(fresh, REQUESTS - WARM)
    growth = (meter.resident() - before) / MIB
    assert growth < 8


@pytest.mark.timeout(900)
def test_a_chunked_push_of_a_gib_takes_a_bounded_share_of_memory(fresh: RunningHost) -> None:
    """Some blocks of 8 MiB, whatever the layer's size."""
    pieces = [bytes([number]) * MIB for number in range(16)]

    def layer() -> Iterator[bytes]:
        for number in range(GIB // MIB):
            yield pieces[number % len(pieces)]

    meter = ProcessMeter(fresh.pid)
    before = meter.resident()
    with httpx.Client(base_url=fresh.url, timeout=300) as client, meter.peak_memory() as peak:
        location = client.post("/v2/large/chunked/blobs/uploads/").headers["Location"]
        patched = client.patch(location, content=layer())
        assert (patched.status_code, patched.headers["Range"]) == (202, f"0-{GIB - 1}")
        url = httpx.URL(patched.headers["Location"])
        digest = str(Digest.of(b"".join(layer())))
        assert client.put(url.copy_add_param("digest", digest)).status_code == 201
    assert peak.size - before < 160 * MIB
