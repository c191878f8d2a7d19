"""The stand-in for the Functions host behaves as the host does, seen through a sample app."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.functions.conftest import SAMPLE_APP, Start
from tests.functions.wire import Wire
from tests.support.eventually import until
from tests.support.host import HostFailed, RunningHost

MIB = 1 << 20


@pytest.fixture(scope="module")
def http(sample: RunningHost) -> Iterator[httpx.Client]:
    """A client of the sample app."""
    with httpx.Client(base_url=sample.url, timeout=60) as client:
        yield client


def seen(http: httpx.Client) -> list[str]:
    """Return what the sample app noted about disconnected clients and timers."""
    noted: list[str] = http.get("/seen").json()
    return noted


def mebibytes(count: int) -> Iterator[bytes]:
    """Yield a body of known content in pieces, so that httpx sends it chunked."""
    for number in range(count):
        yield number.to_bytes(4, "big") * (MIB // 4)


def peak_memory(host: RunningHost) -> int:
    """Return the largest resident size of the host's process so far, in MiB."""
    status = Path(f"/proc/{host.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) // 1024


def test_a_function_sees_the_request_as_the_host_forwards_it(
    sample: RunningHost, http: httpx.Client
) -> None:
    answer = http.get(
        "/inspect/a%2Fb%3Ac?d=%2F",
        headers={
            "Host": "registry.example",
            "X-Forwarded-For": "192.0.2.1",
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": "https",
            "X-MS-Invocation-Id": "chosen by the client",
        },
    ).json()
    assert answer["path"] == "/inspect/a%2Fb:c"
    assert answer["path_params"] == {"path": "a%2Fb:c"}
    assert answer["query"] == "d=%2F"
    headers = answer["headers"]
    assert headers["host"].startswith("127.0.0.1:")
    assert headers["host"] != f"127.0.0.1:{sample.port}"
    assert headers["x-forwarded-host"] == "registry.example"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["x-ms-invocation-id"])


def test_a_function_sees_the_address_of_the_client_and_not_the_one_it_claims(
    sample: RunningHost,
) -> None:
    from_elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=sample.url, transport=from_elsewhere) as client:
        claims = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
        assert client.get("/inspect/", headers=claims).json()["client"] == "127.0.0.2"


def test_all_functions_run_in_one_thread_and_one_event_loop(http: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: http.get("/inspect/").json(), range(8)))
    assert len({(answer["thread"], answer["loop"]) for answer in answers}) == 1


def test_the_root_is_a_function_like_any_other(http: httpx.Client) -> None:
    assert http.get("/").text == "the root"


def test_unknown_paths_and_methods_that_no_function_has_are_404_without_a_body(
    http: httpx.Client,
) -> None:
    for method, path in [("GET", "/nowhere"), ("DELETE", "/"), ("TRACE", "/inspect/")]:
        answer = http.request(method, path)
        assert (answer.status_code, answer.content) == (404, b"")


def test_head_keeps_the_length_and_sends_no_body(http: httpx.Client) -> None:
    answer = http.head("/download/3")
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(3 * MIB))
    assert answer.content == b""


def test_a_chunked_body_and_its_answer_stream_at_the_same_time(sample: RunningHost) -> None:
    with Wire(sample.url) as wire:
        wire.head("POST /echo", Transfer_Encoding="chunked")
        for piece in (b"first", b"second", b"third"):
            wire.chunk(piece)
            wire.until(piece)  # before the next is sent
        wire.chunk(b"")
        wire.until(b"\r\n0\r\n\r\n")


def test_a_body_with_a_length_is_read_whole_before_the_function_is_called(
    sample: RunningHost,
    http: httpx.Client,
) -> None:
    with Wire(sample.url) as wire:
        wire.head("PUT /digest?whole", Content_Length="10")
        wire.send(b"half ")
    until(lambda: "The client disconnected from PUT /digest" in sample.log())
    assert "Executing 'Functions.digest'" not in sample.log()
    answer = http.put("/digest", content=b"half whole").json()
    assert answer == {"size": 10, "sha256": hashlib.sha256(b"half whole").hexdigest()}


def test_large_bodies_pass_both_ways_with_little_memory(
    sample: RunningHost, http: httpx.Client
) -> None:
    before = peak_memory(sample)
    expected = hashlib.sha256(b"".join(mebibytes(64))).hexdigest()
    answer = http.post("/digest", content=mebibytes(64)).json()
    assert answer == {"size": 64 * MIB, "sha256": expected}
    with http.stream("GET", "/download/64") as download:
        assert sum(len(piece) for piece in download.iter_raw()) == 64 * MIB
    assert peak_memory(sample) - before < 24


def test_many_requests_are_served_at_once(http: httpx.Client) -> None:
    """Each one waits in the function until all have arrived."""
    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(lambda _: http.get("/meet/50"), range(50)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, "all 50 are here")}


def test_an_upload_that_breaks_off_reaches_the_function(
    sample: RunningHost, http: httpx.Client
) -> None:
    with Wire(sample.url) as wire:
        wire.head("PATCH /digest", Transfer_Encoding="chunked")
        wire.chunk(b"half of it")
        until(lambda: "Executing 'Functions.digest'" in sample.log())
    until(lambda: "an upload broke off" in seen(http))


def test_a_download_ends_when_its_client_disconnects(http: httpx.Client) -> None:
    with http.stream("GET", "/download/1000") as download:
        next(download.iter_raw())
    until(lambda: "a download broke off" in seen(http))


def test_a_function_can_see_that_its_client_has_disconnected(
    sample: RunningHost, http: httpx.Client
) -> None:
    with Wire(sample.url) as wire:
        wire.head("GET /wait")
        until(lambda: "Executing 'Functions.wait'" in sample.log())
    until(lambda: "the client of /wait is gone" in seen(http))


def test_an_answer_that_does_not_wait_for_the_body_saves_the_upload(sample: RunningHost) -> None:
    """`100 Continue` is sent when the function first reads the body; this one does not."""
    with Wire(sample.url) as wire:
        wire.head("POST /refuse", Transfer_Encoding="chunked", Expect="100-continue")
        assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 401 ")


def test_reading_the_body_sends_100_continue(sample: RunningHost) -> None:
    with Wire(sample.url) as wire:
        wire.head("POST /digest", Transfer_Encoding="chunked", Expect="100-continue")
        assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        wire.chunk(b"body")
        wire.chunk(b"")
        assert b'"size":4' in wire.until(b"}")


def test_a_refusal_in_the_middle_of_an_upload_arrives(sample: RunningHost) -> None:
    with Wire(sample.url) as wire:
        wire.head("POST /refuse", Transfer_Encoding="chunked")
        wire.chunk(bytes(MIB))
        assert b" 401 " in wire.until(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path, reason",
    [
        ("/fail", "LookupError: the sample fails"),
        ("/nothing", "No http response found"),
        ("/cancelled", "CancelledError('the sample is cancelled')"),
    ],
)
def test_a_function_that_fails_is_500_and_the_log_says_why(
    sample: RunningHost, http: httpx.Client, path: str, reason: str
) -> None:
    assert http.get(path).status_code == 500
    assert reason in sample.log()


def test_an_answer_that_fails_half_way_breaks_off(http: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/fail_late")


def test_an_invocation_hangs_if_the_extension_answers_by_itself(
    sample: RunningHost, http: httpx.Client
) -> None:
    """FastAPI has a page at `/docs`; in Azure the invocation would wait until `functionTimeout`."""
    assert http.get("/docs").status_code == 200
    until(lambda: "Hanging 'Functions.docs'" in sample.log())


def test_timers_fire_on_request(http: httpx.Client) -> None:
    assert http.post("/admin/functions/nightly").status_code == 202
    until(lambda: "the timer fired, past due: False" in seen(http))
    assert http.post("/admin/functions/weekly").status_code == 404


def test_bodies_over_the_limit_are_500_and_do_not_reach_the_function_whole(start: Start) -> None:
    limit = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(MIB)}
    with start(SAMPLE_APP, limit) as host, httpx.Client(base_url=host.url, timeout=60) as http:
        assert http.post("/digest", content=bytes(MIB)).json()["size"] == MIB
        assert http.post("/digest", content=bytes(MIB + 1)).status_code == 500
        assert http.post("/digest", content=mebibytes(2)).status_code == 500
        until(lambda: "an upload broke off" in seen(http))


def test_sigterm_ends_it_at_once_and_cleanly(start: Start) -> None:
    with start(SAMPLE_APP) as host, httpx.Client() as idle:
        assert idle.get(host.url).status_code == 200
        assert host.stop(seconds=5) == 0
        assert "Traceback" not in host.log()


@pytest.mark.parametrize(
    "app, reason",
    [
        (
            "async def f(req: Request) -> Response | None: ...",
            "has invalid non-type return annotation",
        ),
        ("async def f(request: Request) -> Response: ...", "not in the function definition"),
        ("import not_there", "No module named 'not_there'"),
        (None, "no functions were found in"),
    ],
)
def test_an_app_that_cannot_be_indexed_says_why(
    start: Start, tmp_path: Path, app: str | None, reason: str
) -> None:
    if app is not None:
        (tmp_path / "function_app.py").write_text(
            "import azure.functions as func\n"
            "from azurefunctions.extensions.http.fastapi import Request, Response\n"
            "app = func.FunctionApp()\n"
            f"@app.route(route='f')\n{app}\n"
            if app.startswith("async")
            else app
        )
    with pytest.raises(HostFailed, match=reason):
        start(tmp_path)
