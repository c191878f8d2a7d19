"""The user agents of clients that can upload straight to storage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.server.direct_clients import CLIENTS, may_upload_directly
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import MountBlob, StartUpload
from tests.house.tree import PROJECT

DOCKER = "docker/29.1.0 go/go1.25.4 git-commit/198b5e3 kernel/6.8 os/linux arch/amd64"
UPSTREAM = r"UpstreamClient(Docker-Client/29.1.0 \(linux\))"
UPLOAD = StartUpload("a")
MOUNT = MountBlob("a", Digest.of(b"a layer"), "b")

ABLE = (
    "containerd/2.2.0",
    "containerd/v2.2.0",
    "containerd/2.2.0+unknown",
    "containerd/2.2.1-rc.0",
    "containerd/2.3.0-beta.1",
    "containerd/v2.4.0-12-g301026e.m",
    "containerd/2.10",
    "containerd/10.0.0",
    f"{DOCKER} containerd-client/2.2.0+unknown storage-driver/overlayfs {UPSTREAM}",
    f"{DOCKER} containerd-client/2.3.3+unknown storage-driver/overlayfs",
    "buildkit/v0.26",
    "buildkit/v0.27-dev",
    "buildkit/v0.32 moby/v29.7.0",
)
UNABLE = (
    "",
    "containerd",
    "containerd/",
    "containerd/main",
    "containerd/2",
    "containerd/1.7.34",
    "containerd/2.1.9",
    "containerd/2.2.0-beta.1",
    "containerd/2.2.0-rc.1",
    "containerd/2.2.0~rc1",
    "containerd/999999999999999999999.0",
    "containerd/\N{ARABIC-INDIC DIGIT TWO}.3.0",
    "my-containerd/2.3.0",
    "xcontainerd/2.3.0",
    "containerd/2.3.0/x",
    "CONTAINERD/2.3.0",
    "Mozilla/5.0 (containerd/2.3.0)",
    "docker/29.0.4 (containerd/2.3.0)",
    f"{DOCKER} {UPSTREAM}",
    f"{DOCKER} UpstreamClient(containerd-client/2.3.0)",
    f"{DOCKER} containerd-client/2.1.5+unknown storage-driver/overlayfs {UPSTREAM}",
    "buildkit/v0.25",
    "buildkit/v0.26-dev",
    "buildkit/v0.0-dev",
    "skopeo/1.20.0",
    "oras/1.3.0",
    "Helm/4.0.0",
    "go-containerregistry/v0.21.0",
    "regclient/regctl",
    "regclient/regctl (v0.3.10)",
    "regclient/regctl (4f2b1ce)",
)


@pytest.mark.parametrize("agent", ABLE)
def test_clients_that_need_nothing_from_storages_answer_may(agent: str) -> None:
    assert may_upload_directly(agent)
    assert may_upload_directly(agent, UPLOAD)
    assert may_upload_directly(agent, MOUNT)


@pytest.mark.parametrize("agent", UNABLE)
def test_others_older_ones_and_what_cannot_be_read_may_not(agent: str) -> None:
    assert not may_upload_directly(agent)
    assert not may_upload_directly(agent, UPLOAD)
    assert not may_upload_directly(agent, MOUNT)


@pytest.mark.parametrize(
    "agent", ["regclient/regctl (v0.4.0)", "regclient/regsync (v0.11.5)", "regclient/x (v1.0.0-rc)"]
)
def test_regclient_may_where_it_knows_the_digest(agent: str) -> None:
    """Then it begins with a mount, and sends one PUT; otherwise it sends chunks."""
    assert may_upload_directly(agent)
    assert may_upload_directly(agent, MOUNT)
    assert not may_upload_directly(agent, UPLOAD)


@pytest.mark.parametrize(
    "upload",
    [
        StartUpload("a", Digest.of(b"a layer")),
        StartUpload("a", algorithm="sha512"),
        MountBlob("a", Digest.of(b"a layer", "sha512")),
        MountBlob("a", Digest.of(b"")),
    ],
    ids=["with the content", "of another algorithm", "a mount of that", "of an empty blob"],
)
def test_uploads_that_storage_cannot_take_go_to_the_registry(
    upload: StartUpload | MountBlob,
) -> None:
    assert not may_upload_directly("containerd/2.2.0", upload)


def test_an_upload_by_sha256_may_be_begun_as_such() -> None:
    assert may_upload_directly("containerd/2.2.0", StartUpload("a", algorithm="sha256"))


@given(st.one_of(st.text(max_size=200), st.from_regex(r"containerd/.{0,40}")))
def test_no_text_is_an_error(agent: str) -> None:
    may_upload_directly(agent)


def test_a_long_text_is_read_in_no_time() -> None:
    """The host accepts 32 KiB of headers."""
    for text in ("containerd/" * 3000, "a/" * 16000, "(" * 32000, "x/1 " * 8000):
        assert not may_upload_directly(text)


def test_the_page_about_direct_uploads_has_the_clients_and_their_versions() -> None:
    """docs/direct-upload.md."""
    page = (PROJECT / "docs" / "direct-upload.md").read_text()
    table = page.partition("## Which clients")[2].partition("\n\n##")[0]
    for client in CLIENTS:
        [row] = [
            line
            for line in table.splitlines()
            if f"`{client.product}/" in line or f" {client.product}/" in line
        ]
        major, minor, _ = client.since
        assert f"{major}.{minor}" in row
