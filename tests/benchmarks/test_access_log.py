"""Storage calls are counted one by one, on Azurite's own log."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.access_log import AccessLog
from benchmarks.content import new_content
from benchmarks.scale import MIB
from benchmarks.storage import BareStorage, blocks_of
from registry_core.serve.azurite import Azurite

pytestmark = pytest.mark.usefixtures("azurite")  # skips where there is none to be had

LINE = '127.0.0.1 - - [01/Aug/2026:00:00:00 +0000] "{} HTTP/1.1" 200 -\n'


Watched = tuple[BareStorage, AccessLog]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A container in an Azurite of its own, and what that writes."""
    with Azurite(tmp_path_factory.mktemp("azurite"), access_log=True) as logged:
        storage = BareStorage("bare", logged.connection_string, "calls")
        storage.create_container()
        yield storage, AccessLog(logged.log)


def test_each_call_is_one_line(watched: Watched) -> None:
    storage, log = watched
    calls = log.calls_of(lambda: storage.put("a", b"a"))
    assert [call.partition("?")[0] for call in calls] == ["PUT /devstoreaccount1/calls/a"]


def test_no_call_is_no_line(watched: Watched) -> None:
    _, log = watched
    assert log.calls_of(lambda: None) == []


def test_blocks_are_staged_once_each_and_come_back(watched: Watched) -> None:
    storage, log = watched
    content = new_content(20 * MIB)
    blocks = blocks_of(content)
    pushed = log.calls_of(lambda: storage.put_blocks("b", blocks))
    pulled = log.calls_of(lambda: storage.get("b", content.size))
    assert ["comp=blocklist" in call for call in pushed] == [False, False, False, True]
    assert [call.partition("?")[0] for call in pulled] == ["GET /devstoreaccount1/calls/b"]


def test_calls_after_the_answer_count_too(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(LINE.format("GET /before"))

    def write() -> None:
        with log.open("a") as file:
            file.write(LINE.format("PUT /late?comp=block"))

    late = threading.Timer(0.05, write)
    assert AccessLog(log).calls_of(late.start) == ["PUT /late?comp=block"]


def test_what_is_no_request_is_not_counted(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("")
    text = "listening\n" + LINE.format("GET /a") + '"not a request"\n'
    assert AccessLog(log).calls_of(lambda: log.write_text(text)) == ["GET /a"]
