"""`python -m registry_core serve`: how it starts, reports errors, and stops."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from tests.functions.wire import Wire
from tests.support.eventually import until
from tests.support.host import RunningHost, start_host, start_process

from .sample import CONFIGURED, SAMPLE, launch_sample, start_sample


@contextmanager
def slow_request(host: RunningHost, proceed: Path) -> Iterator[http.client.HTTPResponse]:
    """A request in progress: its answer has begun and continues once ``proceed`` exists."""
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=30)
    with closing(connection):
        connection.request("GET", f"/slow?{urlencode({'until': proceed})}")
        with connection.getresponse() as response:
            assert response.read(7) == b"begun, "
            yield response


def refuses_connections(host: RunningHost) -> bool:
    try:
        socket.create_connection(("127.0.0.1", host.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_it_says_when_it_is_ready_and_how_to_push(host: RunningHost) -> None:
    assert (
        f"registry ready at http://127.0.0.1:{host.port}  (storage as configured)\n" in host.log()
    )
    image = f"127.0.0.1:{host.port}/NAME:TAG"
    assert f"docker tag IMAGE {image} && docker push {image}\n" in host.log()


def test_a_second_server_on_a_port_says_that_it_is_taken(host: RunningHost, tmp_path: Path) -> None:
    """In one line, before it starts an Azurite of its own."""
    arguments = ["--port", str(host.port), "--data", str(tmp_path)]
    second = start_process({}, arguments=arguments)
    assert second.wait() == 1
    assert second.log() == (
        f"registry: port {host.port} is taken: something already listens at {host.url}; "
        "choose another with --port (0 picks a free one)\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_request_in_progress_at_sigterm_is_finished(tmp_path: Path) -> None:
    with start_sample() as host, slow_request(host, tmp_path / "go") as response:
        host.send(signal.SIGTERM)
        until(lambda: refuses_connections(host))
        (tmp_path / "go").touch()
        assert response.read() == b"done"
        assert host.wait() == 0


def test_idle_connections_do_not_delay_a_stop() -> None:
    with start_sample() as host, httpx.Client() as client:
        client.get(f"{host.url}/v2/")
        begin = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - begin < 10


def test_a_request_that_outlasts_the_grace_is_cut_off(tmp_path: Path) -> None:
    with (
        start_sample("--grace", "1") as host,
        slow_request(host, tmp_path / "never") as response,
    ):
        assert host.stop(20) == 0
        with pytest.raises((http.client.HTTPException, OSError)):
            response.read()


def test_a_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    with start_sample("--grace", "3600") as host, slow_request(host, tmp_path / "never"):
        host.send(signal.SIGINT)
        until(lambda: refuses_connections(host))
        host.send(signal.SIGINT)
        assert host.wait(20) == 0


def test_the_application_is_closed_after_its_last_request(tmp_path: Path) -> None:
    """Also after one that has been cancelled: its clean-up may need storage."""
    notes = tmp_path / "notes"
    with (
        start_sample("--grace", "1", environment={"SAMPLE_NOTES": str(notes)}) as host,
        slow_request(host, tmp_path / "never"),
    ):
        assert host.stop(20) == 0
    assert notes.read_text().splitlines() == ["request ended", "closed"]


def test_an_application_that_does_not_start_ends_the_server() -> None:
    host = start_process(
        {**CONFIGURED, "SAMPLE_FAILS": "1"}, arguments=["--port", "0"], module=SAMPLE
    )
    assert host.wait() == 1
    assert "the sample application does not start" in host.log()
    assert "registry ready" not in host.log()
    assert host.log().endswith("registry: the application did not start; see above\n")


@pytest.mark.parametrize("arguments", [(), ("--no-access-log",)])
def test_a_line_for_each_request_can_be_switched_off(arguments: tuple[str, ...]) -> None:
    with start_host(CONFIGURED, arguments=arguments) as host:
        assert httpx.get(f"{host.url}/v2/?_state=confidential").status_code == 200
        assert ("operation=CheckVersion" in host.log()) == (not arguments)
        assert "confidential" not in host.log()


def test_a_body_over_the_limit_is_refused_before_it_is_sent() -> None:
    """A client that sends `Expect: 100-continue` gets 413, and does not upload in vain."""
    with start_host({**CONFIGURED, "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000"}) as host:
        with Wire(host.url) as wire:
            wire.head("PUT /v2/a/manifests/v1", Content_Length="1001", Expect="100-continue")
            assert wire.until(b"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT").startswith(b"HTTP/1.1 413 ")
        with Wire(host.url) as wire:
            wire.head("PUT /v2/a/blobs/uploads/x", Content_Length="1001")
            assert wire.until(b"SIZE_INVALID").startswith(b"HTTP/1.1 413 ")


def test_it_serves_on_a_unix_socket_and_removes_it(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with start_sample("--uds", str(path)) as host:
        assert host.url == f"unix:{path}"
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            seen = client.get("http://any.name/v2/", headers={"X-Forwarded-Proto": "https"}).json()
        assert seen["headers"]["host"] == "any.name"
        assert seen["scheme"] == "https"
        second = launch_sample("--uds", str(path))
        assert second.wait() == 1
        assert second.log() == f"registry: something already listens at unix:{path}\n"
    assert not path.exists()


def test_a_unix_socket_that_a_killed_server_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with start_sample("--uds", str(path)) as host:
        host.kill()
    assert path.exists()
    with (
        start_sample("--uds", str(path)),
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client,
    ):
        assert client.get("http://any.name/v2/").status_code == 200


def test_a_file_is_not_replaced_by_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    host = launch_sample("--uds", str(path))
    assert host.wait() == 1
    assert host.log() == f"registry: {path} exists and is not a socket\n"
    assert path.read_text() == "data"


@pytest.mark.parametrize("address", ["192.0.2.1", "no.such.name.invalid"])
def test_an_address_of_another_machine_is_refused(address: str) -> None:
    host = launch_sample("--host", address)
    assert host.wait() == 1
    assert host.log().startswith(f"registry: cannot listen on {address} port 5000: ")
    assert host.log().count("\n") == 1


def test_invalid_settings_are_reported_line_by_line_without_a_traceback() -> None:
    settings = {"REGISTRY_STORAGE_AZURE_CONTAINER": "No", "REGISTRY_HTTP_SECRET": "short"}
    host = start_process({**CONFIGURED, **settings}, arguments=["--port", "0"])
    assert host.wait() == 2
    lines = host.log().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("registry: REGISTRY_") for line in lines)


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--prot", "5000"], "unrecognized arguments: --prot 5000"),
        (["--port", "65536"], "argument --port: '65536' is not a number from 0 to 65535"),
        (["--grace", "soon"], "argument --grace: 'soon' is not a number from 0 to 86400"),
    ],
)
def test_an_invalid_option_is_reported_in_one_line(arguments: list[str], complaint: str) -> None:
    host = launch_sample(*arguments)
    assert host.wait() == 2
    assert host.log().splitlines()[-1].endswith(complaint)
