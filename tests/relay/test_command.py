"""`moorage relay` as a program: its options, its signals, its exit codes."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.support.eventually import until
from tests.support.secure_azurite import Trust

from .processes import start_relay, start_unready

pytestmark = pytest.mark.hosts


class Registry(BaseHTTPRequestHandler):
    """Answers with what it was asked, once it may."""

    may_answer = threading.Event()
    asked = threading.Event()

    def do_GET(self) -> None:
        self.asked.set()
        self.may_answer.wait(30)
        content = json.dumps({"path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust(tmp_path / "trust")


@pytest.fixture(params=[False, True], ids=["http", "https"])
def secure(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def registry(secure: bool, trust: Trust) -> Iterator[str]:  # noqa: FBT001
    """Run a registry, and return its URL."""
    Registry.may_answer.set()
    Registry.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    if secure:
        server.socket = trust.server_context().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http{'s' if secure else ''}://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def get(url: str) -> httpx.Response:
    return httpx.get(f"{url}/v2/", trust_env=False, timeout=30)


def test_it_relays_to_a_registry_whose_authority_it_is_given(
    registry: str,
    trust: Trust,
    secure: bool,  # noqa: FBT001
) -> None:
    arguments = ["--ca", str(trust.certificate)] if secure else []
    with start_relay(registry, *arguments) as relay:
        assert get(relay.url).json() == {"path": "/v2/"}
        assert f"relay ready at {relay.url} for {registry}" in relay.log()


@pytest.mark.parametrize("secure", [True], ids=["https"], indirect=True)
def test_a_certificate_that_is_not_trusted_is_named(registry: str) -> None:
    with start_relay(registry) as relay:
        answer = get(relay.url)
        assert (answer.status_code, "is not trusted" in answer.text) == (503, True)
    with start_relay(registry, "--tls-verify", "false") as relay:
        assert get(relay.url).status_code == 200


@pytest.mark.parametrize("secure", [False], ids=["http"], indirect=True)
def test_a_stop_lets_requests_finish(registry: str) -> None:
    Registry.may_answer.clear()
    answers: list[httpx.Response] = []
    with start_relay(registry) as relay:
        request = threading.Thread(target=lambda: answers.append(get(relay.url)))
        request.start()
        until(Registry.asked.is_set)
        relay.send(signal.SIGTERM)
        until(lambda: "stopping" in relay.log())
        Registry.may_answer.set()
        request.join()
        assert relay.wait() == 0
    assert [answer.status_code for answer in answers] == [200]


@pytest.mark.parametrize("secure", [False], ids=["http"], indirect=True)
def test_a_second_signal_cancels_requests_without_a_traceback(registry: str) -> None:
    Registry.may_answer.clear()
    with start_relay(registry) as relay, ThreadPoolExecutor() as pool:
        request = pool.submit(get, relay.url)
        until(Registry.asked.is_set)
        relay.send(signal.SIGTERM)
        until(lambda: "stopping" in relay.log())
        relay.send(signal.SIGTERM)
        assert relay.wait() == 0
        request.exception()
    Registry.may_answer.set()
    assert "Traceback" not in relay.log()


def test_a_port_that_is_taken_ends_it() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        relay = start_unready("http://127.0.0.1:5000", "--port", port)
        assert relay.wait() == 1
    assert f"port {port} is taken" in relay.log()


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["http://registry.example.com"], "is not encrypted"),
        (["registry.example.com/path"], "is not the URL of a registry"),
        (["https://registry.example.com", "--ca", "missing.pem"], "missing.pem"),
        (["https://registry.example.com", "--key", "key.pem"], "--key needs --cert"),
    ],
)
def test_what_is_wrong_with_an_option_is_said(arguments: list[str], reason: str) -> None:
    relay = start_unready(*arguments, "--port", "0")
    assert relay.wait() == 2
    assert reason in relay.log()
    assert "Traceback" not in relay.log()


def test_a_proxy_that_cannot_be_used_is_said() -> None:
    proxy = {"HTTPS_PROXY": "socks5://proxy.example.com"}
    relay = start_unready("https://registry.example.com", environment=proxy)
    assert relay.wait() == 2
    assert "HTTPS_PROXY" in relay.log()


@pytest.mark.parametrize("secure", [False], ids=["http"], indirect=True)
def test_to_be_reached_from_other_machines_is_worth_a_warning(registry: str) -> None:
    with start_relay(registry, "--listen", "0.0.0.0") as relay:
        assert "not encrypted" in relay.log()
        assert get(relay.url).status_code == 200
    with start_relay(registry) as relay:
        assert "not encrypted" not in relay.log()


@pytest.mark.parametrize("secure", [False], ids=["http"], indirect=True)
def test_clients_may_call_it_by_a_name_that_it_is_given(registry: str) -> None:
    with start_relay(registry, "--name", "relay") as relay:
        named = {"Host": f"relay:{relay.port}"}
        assert httpx.get(f"{relay.url}/v2/", headers=named, trust_env=False).status_code == 200
