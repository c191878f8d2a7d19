"""Memory and CPU of another process are measured as it really uses them."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.process_meter import Peak, ProcessMeter
from benchmarks.scale import MIB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")

# Each line of input is an expression; each line of output says that it has been evaluated.
WORKER = """
import sys, time
def burn(seconds):
    while time.process_time() < seconds: pass
held = []
for line in sys.stdin:
    eval(line)
    print("done", flush=True)
"""


class Worker:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, expression: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{expression}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def hold(self, size: int) -> None:
        """Take memory, and touch every page of it."""
        self.do(f"held.append(b'x' * {size})")

    def release(self) -> None:
        self.do("held.clear()")


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    with worker.process:
        worker.do("None")
        yield worker
        worker.process.kill()


def test_a_peak_that_has_passed_is_seen(worker: Worker) -> None:
    meter = ProcessMeter(worker.process.pid)
    before = meter.resident()
    with meter.peak_memory() as peak:
        worker.hold(100 * MIB)
        worker.release()
    assert 99 * MIB < peak.size - before < 110 * MIB
    assert meter.resident() - before < 10 * MIB


def test_a_peak_before_the_block_does_not_count(worker: Worker) -> None:
    meter = ProcessMeter(worker.process.pid)
    before = meter.resident()
    worker.hold(100 * MIB)
    worker.release()
    with meter.peak_memory() as peak:
        worker.hold(10 * MIB)
    assert peak.size - before < 30 * MIB


def test_sampling_sees_what_is_held(worker: Worker) -> None:
    meter, peak = ProcessMeter(worker.process.pid), Peak()
    before = meter.resident()
    with meter._sampling(peak):
        worker.hold(100 * MIB)
    assert peak.sampled
    assert 99 * MIB < peak.size - before < 110 * MIB


def test_cpu_time_is_that_of_the_process(worker: Worker) -> None:
    meter = ProcessMeter(worker.process.pid)
    worker.do("burn(0.1)")
    start = meter.cpu_seconds()
    worker.do("burn(0.4)")
    assert meter.cpu_seconds() - start == pytest.approx(0.3, abs=0.1)


def test_a_process_that_has_ended_is_an_error(worker: Worker) -> None:
    meter = ProcessMeter(worker.process.pid)
    worker.process.kill()
    worker.process.wait()
    with pytest.raises(OSError, match="No such file"):
        meter.resident()
    with pytest.raises(OSError, match="No such file"):
        ProcessMeter(worker.process.pid)
