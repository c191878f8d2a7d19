"""Direct upload: clients like containerd send layers to storage without knowing it.

`Pusher` sends what containerd sends. The registry sees the start of each upload and the manifest.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from registry_core.storage.staged_content import HASH_SECONDS
from tests.e2e.conftest import only_nightly
from tests.e2e.direct import (
    MIB,
    image,
    noise,
    pull,
    requests_of,
    statuses,
    uploads_to_storage,
)
from tests.e2e.registries import ALICE, settings_with_users
from tests.support.access_modes import password
from tests.support.azurite import container_client, create_container, everything_in
from tests.support.containerd_pusher import (
    CONTAINERD_2_1,
    CONTAINERD_2_2,
    CONTAINERD_2_3_0,
    CONTAINERD_2_4,
    Image,
    Pusher,
    Release,
    UnexpectedStatus,
)
from tests.support.host import RunningHost, start_host
from tests.support.hosts import HOSTS, LOCAL, HostKind, registry_under
from tests.support.short_requests import HASHED_MIB
from tools.process_meter import ProcessMeter

BODY_LIMIT = 4 * MIB
"""Bytes; the limit of a host is 100 MiB or more, and layers exceed it all the same."""

DOCKER_29 = (
    "docker/29.1.0 go/go1.25.4 kernel/6.12.0 os/linux arch/amd64 containerd-client/2.2.0 "
    "storage-driver/overlayfs UpstreamClient(Docker-Client/29.1.0 \\(linux\\))"
)
DOCKER_OLDER_STORE = (
    "docker/29.1.0 go/go1.25.4 kernel/6.12.0 os/linux arch/amd64 "
    "UpstreamClient(Docker-Client/29.1.0 \\(linux\\))"
)


@pytest.fixture(scope="module")
def settings(azurite: Azurite) -> dict[str, str]:
    """Return the settings of a registry with a container of its own."""
    return {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
        "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(BODY_LIMIT),
    }


Hosts = Callable[[HostKind], RunningHost]


@pytest.fixture(scope="module")
def hosts(settings: dict[str, str]) -> Iterator[Hosts]:
    """Return the registry under a host; it starts on first use."""
    started: dict[str, RunningHost] = {}
    with ExitStack() as stack:

        def host(kind: HostKind) -> RunningHost:
            if kind.name not in started:
                started[kind.name] = stack.enter_context(registry_under(kind, settings))
            return started[kind.name]

        yield host


@pytest.fixture
def registry(hosts: Hosts) -> RunningHost:
    """The registry under the local host."""
    return hosts(LOCAL)


@pytest.fixture
def repository() -> str:
    return f"team/{uuid.uuid4().hex}"


def _version(release: Release) -> str:
    return release.version


def assert_pushed(host: RunningHost, repository: str, pushed: Image) -> None:
    """Assert that everything of an image can be pulled."""
    manifest = httpx.get(f"{host.url}/v2/{repository}/manifests/{pushed.manifest.digest}")
    assert manifest.content == b"".join(pushed.manifest.pieces())
    for blob in (pushed.config, *pushed.layers):
        pull(host.url, repository, blob)


def left_in(azurite: Azurite, settings: dict[str, str]) -> list[str]:
    """Return what uploads have left in storage."""
    container = settings["REGISTRY_STORAGE_AZURE_CONTAINER"]
    return [blob.path for blob in everything_in(azurite, container) if "/_uploads/" in blob.path]


@pytest.mark.parametrize("kind", HOSTS, ids=lambda kind: kind.name)
def test_layers_over_the_limit_of_the_host_are_pushed(
    kind: HostKind, hosts: Hosts, repository: str, azurite: Azurite, settings: dict[str, str]
) -> None:
    """Each blob goes to storage by one PUT without credentials; two layers are equally large."""
    host = hosts(kind)
    pushed = image(noise(24 * MIB), noise(24 * MIB), noise(16 * MIB + 5))
    pusher = Pusher(host.url, repository)
    pusher.push_image(pushed, "v1")

    sent = uploads_to_storage(pusher, host)
    assert statuses(sent) == {("PUT", 201): 4}
    assert not [request for request in sent if "Authorization" in request.headers]
    assert_pushed(host, repository, pushed)
    assert not left_in(azurite, settings)


def test_what_was_pushed_before_is_not_sent_again(registry: RunningHost, repository: str) -> None:
    pushed = image(noise(6 * MIB))
    Pusher(registry.url, repository).push_image(pushed, "v1")
    again = Pusher(registry.url, repository)
    again.push_image(pushed, "v1")
    assert statuses(again.sent) == {("HEAD", 200): 3}


def test_a_layer_of_another_image_is_mounted_from_its_repository(
    registry: RunningHost, repository: str
) -> None:
    pushed = image(noise(6 * MIB))
    Pusher(registry.url, repository).push_image(pushed, "v1")
    [layer] = pushed.layers
    mounting = Pusher(registry.url, f"{repository}/other")
    mounting.push_image(image(layer.mountable_from(repository)), "v1")
    assert statuses(mounting.sent)[("POST", 201)] == 1


def test_a_mount_that_fails_becomes_a_direct_upload(registry: RunningHost, repository: str) -> None:
    pushed = image(noise(6 * MIB).mountable_from("another/without-it"))
    pusher = Pusher(registry.url, repository)
    pusher.push_image(pushed, "v1")
    assert statuses(uploads_to_storage(pusher, registry)) == {("PUT", 201): 2}
    assert_pushed(registry, repository, pushed)


@pytest.mark.parametrize(
    "release", [CONTAINERD_2_2, CONTAINERD_2_3_0, CONTAINERD_2_4], ids=_version
)
def test_releases_that_can_upload_to_storage_do(
    release: Release, registry: RunningHost, repository: str
) -> None:
    pushed = image(noise(MIB))
    pusher = Pusher(registry.url, repository, release=release)
    pusher.push_image(pushed, "v1")
    assert statuses(uploads_to_storage(pusher, registry)) == {("PUT", 201): 2}
    assert_pushed(registry, repository, pushed)


def test_docker_with_the_containerd_store_uploads_to_storage(
    registry: RunningHost, repository: str
) -> None:
    pusher = Pusher(registry.url, repository, user_agent=DOCKER_29)
    pusher.push_image(image(noise(MIB)), "v1")
    assert statuses(uploads_to_storage(pusher, registry)) == {("PUT", 201): 2}


@pytest.mark.parametrize("agent", ["", DOCKER_OLDER_STORE, "containerd/garbage", "skopeo/1.20.0"])
def test_other_clients_upload_to_the_registry(
    agent: str, registry: RunningHost, repository: str
) -> None:
    """The first is containerd 2.1, which needs the digest in the answer to its PUT."""
    pusher = Pusher(registry.url, repository, release=CONTAINERD_2_1, user_agent=agent)
    pushed = image(noise(MIB))
    pusher.push_image(pushed, "v1")
    assert not uploads_to_storage(pusher, registry)
    assert_pushed(registry, repository, pushed)


def test_nothing_goes_to_storage_where_direct_upload_is_off(
    settings: dict[str, str], repository: str
) -> None:
    off = {"REGISTRY_STORAGE_DIRECTUPLOAD": "off"}
    with registry_under(LOCAL, settings | off) as host:
        pusher = Pusher(host.url, repository)
        pushed = image(noise(MIB))
        pusher.push_image(pushed, "v1")
        assert not uploads_to_storage(pusher, host)
        assert_pushed(host, repository, pushed)


@pytest.mark.parametrize("mode", ["htpasswd", "builtin"])
def test_credentials_do_not_leave_the_registry(
    mode: str, settings: dict[str, str], repository: str
) -> None:
    """With passwords and with tokens: storage would refuse a signature beside them."""
    with registry_under(LOCAL, settings | settings_with_users(mode)) as host:
        pusher = Pusher(host.url, repository, credentials=(ALICE, password(ALICE)))
        pusher.push_image(image(noise(MIB)), "v1")
        sent = uploads_to_storage(pusher, host)
        assert statuses(sent) == {("PUT", 201): 2}
        assert not [request for request in sent if "Authorization" in request.headers]
        assert [request for request in pusher.sent if "Authorization" in request.headers]


def test_wrong_content_is_not_a_blob_of_the_manifest(
    registry: RunningHost, repository: str, azurite: Azurite, settings: dict[str, str]
) -> None:
    """The manifest is refused as if the blob had not been uploaded, and nothing is linked."""
    wrong = noise(6 * MIB).claiming_to_be(noise(6 * MIB))
    with pytest.raises(UnexpectedStatus, match="MANIFEST_BLOB_UNKNOWN") as refused:
        Pusher(registry.url, repository).push_image(image(wrong), "v1")
    assert refused.value.answer.status == 400
    missing = httpx.head(f"{registry.url}/v2/{repository}/blobs/{wrong.digest}")
    assert missing.status_code == 404
    with container_client(azurite, settings["REGISTRY_STORAGE_AZURE_CONTAINER"]) as container:
        hexadecimal = wrong.digest.partition(":")[2]
        names = [blob.name for blob in container.list_blobs()]
    assert not [name for name in names if hexadecimal in name]


def test_the_right_content_is_taken_after_the_wrong_one(
    registry: RunningHost, repository: str
) -> None:
    right = noise(6 * MIB)
    with pytest.raises(UnexpectedStatus):
        Pusher(registry.url, repository).push_image(
            image(noise(6 * MIB).claiming_to_be(right)), "v1"
        )
    pushed = image(right)
    Pusher(registry.url, repository).push_image(pushed, "v1")
    assert_pushed(registry, repository, pushed)


def test_a_request_hashes_for_less_time_than_clients_wait() -> None:
    """A third of the time is left to copy what was hashed."""
    waits = [release.answer_seconds for release in (CONTAINERD_2_3_0, CONTAINERD_2_4)]
    assert min(filter(None, waits)) * 2 / 3 >= HASH_SECONDS


@pytest.mark.parametrize("release", [CONTAINERD_2_2, CONTAINERD_2_4], ids=_version)
def test_a_push_whose_request_runs_out_of_time_goes_on(
    release: Release, settings: dict[str, str], repository: str
) -> None:
    """The manifest is answered 429, and sent again at once, until everything is hashed."""
    with start_host(settings | {HASHED_MIB: "8"}, module="tests.support.short_requests") as host:
        pusher = Pusher(host.url, repository, release=release)
        pushed = image(noise(20 * MIB))
        pusher.push_image(pushed, "v1")
        answers = [status for status, _ in requests_of(host, "PushManifest", repository)]
        assert answers == [429, 429, 201]
        assert_pushed(host, repository, pushed)


def test_a_push_that_has_no_attempts_left_goes_on_when_it_is_repeated_elsewhere(
    settings: dict[str, str], repository: str
) -> None:
    """The first instance is killed; what it has hashed is not hashed again."""
    pushed = image(noise(64 * MIB))
    short = settings | {HASHED_MIB: "8"}
    with start_host(short, module="tests.support.short_requests") as host:
        with pytest.raises(UnexpectedStatus) as refused:
            Pusher(host.url, repository).push_image(pushed, "v1")
        assert refused.value.answer.status == 429
        host.kill()
    with start_host(short, module="tests.support.short_requests") as host:
        Pusher(host.url, repository).push_image(pushed, "v1")
        assert_pushed(host, repository, pushed)


def test_new_layers_do_not_wait_until_those_before_them_are_hashed(
    settings: dict[str, str], repository: str
) -> None:
    """Clients ask for each layer before they upload it, a few at a time."""
    with start_host(settings | {HASHED_MIB: "8"}, module="tests.support.short_requests") as host:
        pusher = Pusher(host.url, repository)
        for _ in range(3):
            pusher.push(noise(64 * MIB))
        assert statuses(pusher.sent) == {("HEAD", 404): 3, ("POST", 202): 3, ("PUT", 201): 3}


def test_a_manifest_whose_answer_is_lost_can_be_pushed_again(
    registry: RunningHost, repository: str
) -> None:
    pushed = image(noise(6 * MIB))
    pusher = Pusher(registry.url, repository)
    for blob in (pushed.config, *pushed.layers):
        pusher.push(blob)
    pusher.send_and_hang_up(pushed.manifest, "v1")
    pusher.push_image(pushed, "v1")
    assert_pushed(registry, repository, pushed)


SIZES = [(32 * MIB, 32 * MIB), *only_nightly([((2560 * MIB, 2560 * MIB),)])]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"{sum(sizes) // MIB} MiB")
def test_large_layers_cost_the_registry_little(
    sizes: tuple[int, ...],
    settings: dict[str, str],
    repository: str,
    record_property: Callable[[str, object], None],
) -> None:
    """It reads each once, to hash it: memory is bounded, and no byte is received.

    The client is one that waits: Azurite answers after it has computed a CRC64 of the block, in
    JavaScript, which takes longer than the 30 s of newer ones.
    """
    pushed = image(*map(noise, sizes))
    with start_host(settings) as host:
        meter = ProcessMeter(host.pid)
        before, cpu = meter.resident(), meter.cpu_seconds()
        with meter.peak_memory() as peak:
            Pusher(host.url, repository, release=CONTAINERD_2_2).push_image(pushed, "v1")
        cpu_per_gib = (meter.cpu_seconds() - cpu) / (sum(sizes) / 1024 / MIB)
        answers = requests_of(host, "PushManifest", repository)
        for name, value in (
            ("peak MiB", (peak.size - before) // MIB),
            ("CPU seconds per GiB", round(cpu_per_gib, 2)),
            ("manifest", answers),
        ):
            record_property(name, value)
        assert peak.size - before < 64 * MIB
        # A range of 8 MiB is one call; a copy of 256 MiB or less is one, too.
        assert sum(calls for _, calls in answers) < sum(sizes) / (8 * MIB) * 1.2 + 60
        for layer in pushed.layers:
            blob = httpx.head(f"{host.url}/v2/{repository}/blobs/{layer.digest}")
            assert int(blob.headers["Content-Length"]) == layer.size
