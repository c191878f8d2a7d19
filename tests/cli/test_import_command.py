"""`import`: storage fetches the layers by itself, and they do not pass through this process."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_manifest, random_bytes
from tests.support.gated_registry import GatedRegistry

from .registries import Running, Shell

pytestmark = [pytest.mark.hosts, pytest.mark.usefixtures("docker_config")]

SIZE = 3 * 2**20
LARGE = random_bytes(SIZE)
DIGEST = Digest.of(image_manifest(LARGE))


class Line:
    """Counts the bytes that this process sends and receives over sockets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        for name in ("recv", "recv_into", "send", "sendmsg"):
            monkeypatch.setattr(socket.socket, name, self._counting(getattr(socket.socket, name)))

    def _counting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counting(of: socket.socket, *arguments: Any) -> Any:
            result = method(of, *arguments)
            self.bytes += len(result) if isinstance(result, bytes) else result
            return result

        return counting


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(monkeypatch)


def test_layers_do_not_pass_through_this_machine(
    source: Running, target: Running, repository: str, shell: Shell, line: Line
) -> None:
    """With `copy` they do, both ways."""
    image = f"{source.push(repository, 'v1', layer=LARGE)}:v1"
    copy = f"{target.authority}/{repository}"
    line.bytes = 0
    printed = shell.run("import", "--no-stream", image, copy).splitlines()
    assert line.bytes < 100_000
    assert printed[0] == f"{copy}:v1 points to {DIGEST}"
    assert "blobs 1 copied (37 bytes), 1 fetched by storage (3.0 MiB)" in printed[1]
    assert printed[2] == (f"storage fetched 3.0 MiB; over this machine's line: {len(CONFIG)} bytes")
    assert target.digest(repository) == DIGEST
    line.bytes = 0
    shell.run("copy", image, f"{source.authority}/{repository}/again")
    assert line.bytes < 100_000  # mounted
    shell.run("copy", "--recheck", image, f"{target.authority}/{repository}/other")
    assert line.bytes > SIZE


def test_what_storage_cannot_fetch_is_copied_over_the_line(
    target: Running, repository: str, shell: Shell
) -> None:
    """From a registry that does not redirect to its storage."""
    copy = f"{target.authority}/{repository}"
    with GatedRegistry(b"small", random_bytes(200_000, 7)) as gated:
        gated.gate.set()
        printed = shell.run("import", f"{gated.authority}/app:v1", copy)
        assert "fetched" not in printed.splitlines()[1]
        assert printed.splitlines()[2].startswith("storage fetched 0 bytes; over this machine's")
        assert target.digest(repository) == gated.digest


def test_or_refused_if_that_is_not_wanted(target: Running, repository: str, shell: Shell) -> None:
    copy = f"{target.authority}/{repository}"
    with GatedRegistry(b"small", random_bytes(200_000, 8)) as gated:
        gated.gate.set()
        said = shell.fails("import", "--no-stream", f"{gated.authority}/app:v1", copy, code=1)
        assert gated.large in said
        assert "cannot fetch" in said
        assert gated.requests[gated.large] <= 1
    assert target.digest(repository) is None
    assert target.uploads(repository) == []


def test_a_dry_run_fetches_nothing(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1', layer=LARGE)}:v1"
    copy = f"{target.authority}/{repository}"
    printed = shell.run("import", "--dry-run", image, copy).splitlines()
    assert f"{copy}:v1 would point to {DIGEST}" in printed[0]
    assert target.digest(repository) is None
