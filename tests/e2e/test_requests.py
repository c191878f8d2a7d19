"""Clients make the requests that the cost model counts for a pull and a push."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from registry_core.serve.azurite import Azurite
from tests.e2e import logins
from tests.e2e.clients import ImageClient
from tests.e2e.images import LayoutImage, noise_image
from tests.e2e.registries import ALICE, LoginRegistries, LoginRegistry
from tools.cost.traffic import Burst, Traffic, pull_of, push_of
from tools.cost.usage import per_operation

TRAFFIC = Traffic(layers=3, new_layers=3, missing_layers=3, login=False)
LINES = {
    "ask": ("CheckVersion", "known"),
    "token": ("Tokens", "known"),
    "head_manifest_by_tag": ("HeadManifest", "known"),
    "get_manifest_by_digest": ("GetManifest", "known"),
    "head_blob": ("HeadBlob", "known"),
    "head_missing_blob": ("HeadBlob", "unknown"),
    "get_blob": ("GetBlob", "known"),
    "get_small_blob": ("GetBlob", "known"),
    "start_upload": ("StartUpload", "known"),
    "patch_small": ("AppendUpload", "known"),
    "patch_large": ("AppendUpload", "known"),
    "close_small": ("FinishUpload", "known"),
    "close_large": ("FinishUpload", "known"),
    "put_manifest": ("PushManifest", "known"),
}
"""How the access log shows each kind of request: the operation, and whether content was found."""

_LINE = re.compile(r"operation=(\S+) repository=\S+ status=(\d{3})")


@pytest.fixture(scope="module")
def registries_by_mode(azurite: Azurite) -> Iterator[LoginRegistries]:
    with ExitStack() as stack:
        yield LoginRegistries(azurite, stack)


@pytest.fixture
def image(tmp_path: Path) -> LayoutImage:
    """Build an image of three layers that docker's daemon has never seen in a repository."""
    return noise_image(tmp_path / "image", 9 << 20, 1 << 20, 1 << 20)


def counted(bursts: Sequence[Burst]) -> Counter[tuple[str, str]]:
    """Return the access log lines that the bursts cause."""
    lines: Counter[tuple[str, str]] = Counter()
    for kind, times in per_operation(bursts).items():
        lines[LINES[kind]] += times
    return lines


class NewRequests:
    """The access log lines added since the last look."""

    def __init__(self, registry: LoginRegistry) -> None:
        self._registry = registry
        self._start = len(registry.host.log())

    def requests(self) -> Counter[tuple[str, str]]:
        log = self._registry.host.log()[self._start :]
        self._start += len(log)
        return Counter(
            (operation, "unknown" if status == "404" else "known")
            for operation, status in _LINE.findall(log)
        )


@pytest.mark.parametrize("mode", ["none", "builtin"])
def test_docker_pushes_and_pulls_as_the_model_assumes(
    mode: str,
    registries_by_mode: LoginRegistries,
    docker_socket: str,
    tmp_path: Path,
    image: LayoutImage,
) -> None:
    """With a login it requests one token, however many requests follow."""
    registry, client = registries_by_mode[mode], logins.docker(docker_socket, tmp_path)
    traffic = replace(TRAFFIC, login=mode == "builtin")
    if traffic.login:
        client.log_in(registry.authority, ALICE, registry.password)
    reference, new = f"{registry.repository()}:latest", NewRequests(registry)

    client.images.push(image, reference)
    assert new.requests() == counted(push_of(traffic))

    client.images.pull(reference)
    assert new.requests() == counted(pull_of(traffic))


def test_docker_checks_layers_that_it_has_pushed_before_and_sends_none(
    registries_by_mode: LoginRegistries, docker_socket: str, tmp_path: Path, image: LayoutImage
) -> None:
    """The config is the same as well; the model assumes a new one in every push."""
    registry, client = registries_by_mode["none"], logins.docker(docker_socket, tmp_path)
    repository = registry.repository()
    client.images.push(image, f"{repository}:first")
    new = NewRequests(registry)

    client.images.push(image, f"{repository}:second")

    modelled = per_operation(push_of(replace(TRAFFIC, new_layers=0)))
    the_config = Counter(head_blob=1)
    sent = Counter(head_missing_blob=1, start_upload=1, patch_small=1, close_small=1, head_blob=1)
    expected = Counter(modelled) - sent + the_config
    lines: Counter[tuple[str, str]] = Counter()
    for kind, times in expected.items():
        lines[LINES[kind]] += times
    assert new.requests() == lines


def test_containerd_pulls_like_docker_without_the_first_request(
    registries_by_mode: LoginRegistries,
    client_named: Callable[[str], ImageClient],
    image: LayoutImage,
) -> None:
    registry, client = registries_by_mode["none"], client_named("ctr")
    reference = f"{registry.repository()}:latest"
    client.push(image, reference)
    new = NewRequests(registry)

    client.pull(reference)

    assert new.requests() == counted(pull_of(TRAFFIC)) - Counter([LINES["ask"]])
