"""Direct upload among users who do not trust each other, and by one who means harm.

What the signed URL permits is in tests/object_store/test_staging_urls.py; what a registry makes of
uploads that were tampered with in tests/storage/test_attacked_uploads.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from tests.e2e.direct import (
    MIB,
    image,
    noise,
    pull,
    requests_of,
    statuses,
    uploads_to_storage,
)
from tests.support.access_modes import basic, htpasswd, password
from tests.support.azurite import create_container, everything_in
from tests.support.containerd_pusher import CONTAINERD_2_4, Image, Pusher, UnexpectedStatus
from tests.support.host import RunningHost
from tests.support.hosts import LOCAL, registry_under
from tests.support.wire import NO_TLS

ALICE, BOB, READER = "alice", "bob", "reader"
RULES = """
[[rule]]
who = ["user:alice", "user:bob"]
may = ["pull", "push"]
on = ["team/**"]

[[rule]]
who = ["user:reader"]
may = ["pull"]
on = ["team/**"]
"""
AGENT = {"User-Agent": CONTAINERD_2_4.user_agent}


@pytest.fixture(scope="module")
def settings(azurite: Azurite) -> dict[str, str]:
    return {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_PATH": htpasswd([ALICE, BOB, READER]),
        "REGISTRY_AUTH_RULES": RULES,
    }


@pytest.fixture(scope="module")
def registry(settings: dict[str, str]) -> Iterator[RunningHost]:
    with registry_under(LOCAL, settings) as host:
        yield host


@pytest.fixture
def repository() -> str:
    return f"team/{uuid.uuid4().hex}"


def pusher_of(user: str, registry: RunningHost, repository: str) -> Pusher:
    return Pusher(registry.url, repository, credentials=(user, password(user)))


def upload(pusher: Pusher, uploaded: Image) -> None:
    """Upload the blobs of an image without its manifest."""
    for blob in (uploaded.config, *uploaded.layers):
        pusher.push(blob)


def uploads_in(azurite: Azurite, settings: dict[str, str], repository: str) -> set[str]:
    """Return what storage has of the uploads to a repository."""
    container = settings["REGISTRY_STORAGE_AZURE_CONTAINER"]
    everything = (blob.path for blob in everything_in(azurite, container))
    return {path for path in everything if f"/_uploads/{repository}/" in path}


def test_nobody_claims_what_another_user_has_uploaded(
    registry: RunningHost, repository: str, azurite: Azurite, settings: dict[str, str]
) -> None:
    """Not even one who may push to the repository, and knows the digest and the size."""
    uploaded = image(noise(MIB))
    alice = pusher_of(ALICE, registry, repository)
    upload(alice, uploaded)
    before = uploads_in(azurite, settings, repository)

    with pytest.raises(UnexpectedStatus, match="MANIFEST_BLOB_UNKNOWN"):
        pusher_of(BOB, registry, repository).push(uploaded.manifest, "v1")
    assert uploads_in(azurite, settings, repository) == before

    alice.push(uploaded.manifest, "v1")
    pull(registry.url, repository, uploaded.layers[0], Authorization=basic(BOB, password(BOB)))


def test_users_who_upload_the_same_do_not_disturb_each_other(
    registry: RunningHost, repository: str
) -> None:
    uploaded = image(noise(MIB))
    alice, bob = (pusher_of(user, registry, repository) for user in (ALICE, BOB))
    upload(alice, uploaded)
    upload(bob, uploaded)
    alice.push(uploaded.manifest, "alice")
    bob.push(uploaded.manifest, "bob")
    pull(registry.url, repository, uploaded.layers[0], Authorization=basic(BOB, password(BOB)))


def test_whoever_may_not_push_any_more_claims_nothing(
    registry: RunningHost, repository: str, azurite: Azurite, settings: dict[str, str]
) -> None:
    """A claim writes; a request for a missing blob does not where the caller may only pull."""
    uploaded = image(noise(MIB))
    upload(pusher_of(ALICE, registry, repository), uploaded)
    before = uploads_in(azurite, settings, repository)
    only_pull = {"REGISTRY_AUTH_RULES": RULES.replace('"pull", "push"', '"pull"')}
    alice = {**AGENT, "Authorization": basic(ALICE, password(ALICE))}
    with registry_under(LOCAL, settings | only_pull) as host:
        blob = f"{host.url}/v2/{repository}/blobs/{uploaded.layers[0].digest}"
        assert httpx.get(blob, headers=alice).status_code == 404
        assert httpx.head(blob, headers=alice).status_code == 404
    assert uploads_in(azurite, settings, repository) == before


def test_whoever_may_only_pull_gets_no_url(registry: RunningHost, repository: str) -> None:
    reader = {**AGENT, "Authorization": basic(READER, password(READER))}
    answer = httpx.post(f"{registry.url}/v2/{repository}/blobs/uploads/", headers=reader)
    assert answer.status_code == 403
    assert "sig=" not in answer.text + str(answer.headers)


def test_the_log_has_no_signature(registry: RunningHost, repository: str) -> None:
    """Neither of what succeeds nor of what fails."""
    pusher = pusher_of(ALICE, registry, repository)
    pusher.push_image(image(noise(MIB)), "v1")
    wrong = image(noise(MIB).claiming_to_be(noise(MIB)))
    with pytest.raises(UnexpectedStatus):
        pusher.push_image(wrong, "v1")
    assert uploads_to_storage(pusher, registry)
    assert "sig=" not in registry.log()


def test_manifests_that_are_pushed_at_the_same_time_share_a_layer(
    registry: RunningHost, repository: str
) -> None:
    """Containerd pushes the manifests of all platforms of an image at the same time."""
    shared = noise(24 * MIB)
    images = [image(shared, noise(MIB)) for _ in range(4)]
    alice = pusher_of(ALICE, registry, repository)
    for blob in {b.digest: b for one in images for b in (one.config, *one.layers)}.values():
        alice.push(blob)
    with ThreadPoolExecutor(len(images)) as pool:
        for pushed in [pool.submit(alice.push, one.manifest) for one in images]:
            pushed.result()
    assert statuses(uploads_to_storage(alice, registry)) == {("PUT", 201): 2 * len(images) + 1}


def test_one_user_with_a_thousand_uploads_disturbs_no_other(
    registry: RunningHost, repository: str
) -> None:
    """The calls of a request do not grow with what somebody else has uploaded."""
    url = f"{registry.url}/v2/{repository}/blobs/uploads/"
    bob = {**AGENT, "Authorization": basic(BOB, password(BOB))}
    size = 64 * 1024

    def flood(number: int) -> None:
        with httpx.Client(verify=NO_TLS) as client:
            for _ in range(number):
                location = client.post(url, headers=bob).headers["Location"]
                assert urlsplit(location).netloc != urlsplit(registry.url).netloc
                assert client.put(location, content=bytes(size)).status_code == 201

    pushed = image(noise(size))
    undisturbed = f"{repository}/undisturbed"
    pusher_of(ALICE, registry, undisturbed).push_image(pushed, "v1")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(flood, [250] * 4))
    alice = pusher_of(ALICE, registry, repository)
    alice.push_image(image(noise(size)), "v1")

    assert statuses(alice.sent)[("PUT", 201)] == 3
    calls = {
        name: [calls for _, calls in requests_of(registry, "PushManifest", name)]
        for name in (repository, undisturbed)
    }
    assert calls[repository] == calls[undisturbed]


def test_what_a_flood_of_uploads_costs_its_owner_is_bounded(
    registry: RunningHost, repository: str
) -> None:
    """A manifest's claim looks at the latest 200 uploads, that of a HEAD at fewer.

    The layer that was sent last is found.
    """
    url = f"{registry.url}/v2/{repository}/blobs/uploads/"
    bob = {**AGENT, "Authorization": basic(BOB, password(BOB))}
    with httpx.Client(verify=NO_TLS) as client:
        for size in range(1, 401):
            location = client.post(url, headers=bob).headers["Location"]
            assert client.put(location, content=bytes(size)).status_code == 201
    pusher_of(BOB, registry, repository).push_image(image(noise(MIB)), "v1")
    [(status, calls)] = requests_of(registry, "PushManifest", repository)
    assert status == 201
    assert 200 < calls < 260
    assert max(calls for _, calls in requests_of(registry, "HeadBlob", repository)) < 200
