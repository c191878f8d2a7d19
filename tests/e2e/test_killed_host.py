"""The host is killed repeatedly while clients push; acknowledged pushes stay, whole."""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from tests.e2e.clients import CommandFailed, Docker, ImageClient, Skopeo
from tests.e2e.images import LayoutImage, noise_image
from tests.support.host import RunningHost, start_host

KILLS = [4, pytest.param(8, marks=pytest.mark.nightly)]
_LAYER = 3 << 20


@dataclass
class Pushes:
    """Images pushed one after the other by one client until it is stopped.

    ``acknowledged`` has the digest that the client reported, by reference.
    """

    client: ImageClient
    folder: Path
    repository: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[str, LayoutImage]] = field(default_factory=list)

    def push_until(self, stopped: threading.Event) -> None:
        for number in itertools.count():
            if stopped.is_set():
                return
            image = noise_image(self.folder / f"image-{number}", _LAYER)
            reference = f"{self.repository}:v{number}"
            try:
                self.acknowledged[reference] = self.client.push(image, reference)
            except CommandFailed:
                self.failed.append((reference, image))
                self._wait_for_host(stopped)

    def _wait_for_host(self, stopped: threading.Event) -> None:
        """Wait until the host answers: a client that does not retry would fail at once."""
        while not stopped.wait(0.05):
            with suppress(httpx.TransportError):
                httpx.get(f"http://{self.repository.partition('/')[0]}/v2/")
                return

    def repeat_failed(self) -> None:
        for reference, image in self.failed:
            self.acknowledged[reference] = self.client.push(image, reference)


@pytest.fixture
def environment(azurite: Azurite, container_name: str) -> dict[str, str]:
    return {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": container_name,
        "REGISTRY_HTTP_SECRET": "the same secret every time, long enough",
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kills", KILLS)
def test_acknowledged_pushes_survive_a_host_that_is_killed_repeatedly(
    environment: dict[str, str],
    docker_socket: str,
    tmp_path: Path,
    kills: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Failed pushes succeed when they are repeated."""
    host = start_host(environment)
    authority = f"127.0.0.1:{host.port}"
    all_pushes = []
    for name in ("docker", "skopeo"):
        folder = tmp_path / name
        folder.mkdir()
        client = Skopeo(folder) if name == "skopeo" else Docker(docker_socket, folder)
        all_pushes.append(Pushes(client, folder, f"{authority}/killed/{name}"))
    stopped = threading.Event()
    with ThreadPoolExecutor() as pool:
        pushing = [pool.submit(pushes.push_until, stopped) for pushes in all_pushes]
        try:
            for moment in moments(kills):
                kill_after(host, moment, pushing)
                survivors = sum(len(pushes.acknowledged) for pushes in all_pushes)
                host = start_host(environment, port=host.port)
        except BaseException:
            host.kill()
            raise
        finally:
            stopped.set()
        for future in pushing:
            future.result()
    with host, ThreadPoolExecutor() as pool:
        acknowledged = {r: d for pushes in all_pushes for r, d in pushes.acknowledged.items()}
        check_whole(acknowledged)
        failed = sum(len(pushes.failed) for pushes in all_pushes)
        assert min(survivors, failed) > 0
        for _ in pool.map(Pushes.repeat_failed, all_pushes):
            pass
        for pushes in all_pushes:
            check_whole(
                {reference: pushes.acknowledged[reference] for reference, _ in pushes.failed}
            )
    with capsys.disabled():
        sys.stdout.write(
            f"\nhost killed {kills} times: {len(acknowledged)} pushes were acknowledged, "
            f"{survivors} of them before the last kill; {failed} failed and were repeated\n"
        )


def moments(kills: int) -> list[tuple[int, float]]:
    """Return when to kill: after this many answers of the host, and seconds later."""
    chance = random.Random(9)
    return [(chance.randint(5, 30), chance.uniform(0, 0.05)) for _ in range(kills)]


def kill_after(host: RunningHost, moment: tuple[int, float], pushing: list[Future[None]]) -> None:
    answers, seconds = moment
    deadline = time.monotonic() + 30
    while host.log().count("operation=") < answers:
        for future in pushing:
            if future.done():
                future.result()
        assert time.monotonic() < deadline, host.log()
        time.sleep(0.005)
    time.sleep(seconds)
    host.kill()


def check_whole(acknowledged: dict[str, str]) -> None:
    """Assert that each reference has the reported digest, and all content below it."""
    with httpx.Client(follow_redirects=True) as http:
        for reference, digest in acknowledged.items():
            repository, tag = reference.rsplit(":", 1)
            authority, name = repository.split("/", 1)
            url = f"http://{authority}/v2/{name}"
            manifest = get(http, f"{url}/manifests/{tag}", digest)
            assert get(http, f"{url}/manifests/{digest}", digest) == manifest
            document = httpx.Response(200, content=manifest).json()
            for blob in (document["config"], *document["layers"]):
                assert len(get(http, f"{url}/blobs/{blob['digest']}", blob["digest"])) > 0


def get(http: httpx.Client, url: str, digest: str) -> bytes:
    answer = http.get(url)
    assert answer.status_code == 200, (url, answer.status_code, answer.text)
    assert str(Digest.of(answer.content)) == digest
    return answer.content
