"""What other tools write as layouts and archives is read as it is meant, and vice versa."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.transfer.local_places import open_source, open_target
from tests.e2e.images import Identity, LayoutImage
from tests.support.local_images import copy, read_blob
from tests.support.programs import program

NAME = "registry.example.com/team/app:v1"


def transfer(
    source: tuple[str, Path], target: tuple[str, Path], *tags: str, select: str = ""
) -> str:
    """Copy what ``select`` selects; return the digest of its manifest."""

    async def run() -> Digest:
        async with open_source(*source) as opened, open_target(*target) as made:
            selected = await opened.select(select)
            await copy(opened, selected.digest, made, tags, "registry.example.com/team/app")
            return selected.digest

    return str(asyncio.run(run()))


def identity_in(source: tuple[str, Path], select: str = "") -> Identity:
    """Return the config and the uncompressed layers of an image, as its config names them."""

    async def run() -> Identity:
        async with open_source(*source) as opened:
            selected = await opened.select(select)
            manifest = await opened.get_manifest("", selected.digest)
            config = manifest.document.config
            assert config is not None
            content = json.loads(await read_blob(opened, config.digest))
            return Identity(str(config.digest), tuple(content["rootfs"]["diff_ids"]))

    return asyncio.run(run())


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def skopeo_copy(source: str, target: str) -> None:
    flags = ("--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests")
    run(program("skopeo"), *flags, source, target)


def only_digest(layout: Path) -> str:
    [entry] = json.loads((layout / "index.json").read_text())["manifests"]
    return str(entry["digest"])


@pytest.fixture(params=["debian", "two_platforms"])
def image(request: pytest.FixtureRequest) -> LayoutImage:
    """An image, and an image index."""
    made: LayoutImage = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="module")
def podman() -> Iterator[tuple[str, ...]]:
    """Podman's command with a store of its own, in a folder whose path is short enough for it."""
    with TemporaryDirectory() as folder:
        places = (f"--root={folder}/root", f"--runroot={folder}/run")
        yield (program("podman"), *places, "--storage-driver=vfs")


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
def test_skopeo_copies_what_was_written(transport: str, image: LayoutImage, tmp_path: Path) -> None:
    written = tmp_path / "written"
    transfer(("oci", image.layout), (transport, written), "v1", select=image.tag)

    skopeo_copy(f"{transport}:{written}:v1", f"oci:{tmp_path}/copied:v1")

    assert only_digest(tmp_path / "copied") == image.digest


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
@pytest.mark.parametrize("name", ["", "v1", NAME], ids=["unnamed", "tag", "full name"])
def test_what_skopeo_wrote_is_read(
    transport: str, name: str, image: LayoutImage, tmp_path: Path
) -> None:
    skopeo_copy(f"oci:{image.layout}:{image.tag}", f"{transport}:{tmp_path}/written:{name}")

    digest = transfer(
        (transport, tmp_path / "written"), ("oci", tmp_path / "read"), "v1", select=name
    )

    assert digest == image.digest == only_digest(tmp_path / "read")


def test_umoci_unpacks_what_was_written(debian: LayoutImage, tmp_path: Path) -> None:
    transfer(("oci", debian.layout), ("oci", tmp_path / "written"), "v1", select=debian.tag)

    image = f"--image={tmp_path}/written:v1"
    run(program("umoci"), "unpack", "--rootless", image, f"{tmp_path}/unpacked")

    assert (tmp_path / "unpacked/rootfs/etc/debian_version").exists()


def test_podman_and_skopeo_keep_what_else_a_layout_has(
    debian: LayoutImage, two_platforms: LayoutImage, tmp_path: Path
) -> None:
    """Different tools add to one layout, and each finds what the others added."""
    layout = tmp_path / "layout"
    skopeo_copy(f"oci:{debian.layout}:{debian.tag}", f"oci:{layout}:one")
    transfer(("oci", two_platforms.layout), ("oci", layout), "two", select=two_platforms.tag)
    skopeo_copy(f"oci:{debian.layout}:{debian.tag}", f"oci:{layout}:three")

    digests = [
        transfer(("oci", layout), ("oci", tmp_path / tag), "v1", select=tag)
        for tag in ("one", "two", "three")
    ]

    assert digests == [debian.digest, two_platforms.digest, debian.digest]


def test_docker_loads_a_docker_archive(
    docker_socket: str, debian: LayoutImage, tmp_path: Path
) -> None:
    archive = tmp_path / "archive.tar"
    transfer(("oci", debian.layout), ("docker-archive", archive), "v1", select=debian.tag)

    docker = (program("docker"), f"--host={docker_socket}")
    run(*docker, "load", f"--input={archive}")
    [loaded] = json.loads(run(*docker, "image", "inspect", NAME))
    run(*docker, "image", "rm", NAME)

    assert Identity(loaded["Id"], tuple(loaded["RootFS"]["Layers"])) == debian.identity


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_podman_loads_an_archive(
    transport: str, podman: tuple[str, ...], debian: LayoutImage, tmp_path: Path
) -> None:
    archive = tmp_path / "archive.tar"
    name = "v1" if transport == "docker-archive" else NAME
    transfer(("oci", debian.layout), (transport, archive), name, select=debian.tag)

    run(*podman, "load", f"--input={archive}")
    [loaded] = json.loads(run(*podman, "image", "inspect", NAME))
    run(*podman, "image", "rm", NAME)

    identity = Identity(f"sha256:{loaded['Id']}", tuple(loaded["RootFS"]["Layers"]))
    assert identity == debian.identity
    if transport == "oci-archive":
        assert loaded["Digest"] == debian.digest


def test_an_image_that_docker_saved_is_read_from_its_archive(
    docker_socket: str, debian: LayoutImage, tmp_path: Path
) -> None:
    """Config and layers are its own, and each time the manifest is the same."""
    archive = tmp_path / "archive.tar"
    docker = (program("docker"), f"--host={docker_socket}")
    skopeo_to_docker_archive(debian, archive, NAME)
    run(*docker, "load", f"--input={archive}")
    run(*docker, "save", f"--output={archive}", NAME)
    run(*docker, "image", "rm", NAME)

    digests = {
        transfer(("docker-archive", archive), ("oci", tmp_path / name), "v1", select=select)
        for name, select in (("first", NAME), ("second", ""), ("third", "@0"), ("fourth", "v1"))
    }

    assert digests == {only_digest(tmp_path / "first")}
    assert identity_in(("docker-archive", archive)) == debian.identity
    assert are_valid_layers(tmp_path / "first", debian.identity)
    skopeo_copy(f"oci:{tmp_path}/first:v1", f"oci:{tmp_path}/copied")
    assert digests == {only_digest(tmp_path / "copied")}


def test_two_images_that_docker_saved_are_told_apart_by_name(
    docker_socket: str, debian: LayoutImage, tmp_path: Path
) -> None:
    archive, other = tmp_path / "archive.tar", "other.example.com/app:v1"
    docker = (program("docker"), f"--host={docker_socket}")
    skopeo_to_docker_archive(debian, archive, NAME)
    run(*docker, "load", f"--input={archive}")
    (tmp_path / "Dockerfile").write_text(f"FROM {NAME}\nLABEL other=1\n")
    run(*docker, "build", f"--tag={other}", str(tmp_path))
    run(*docker, "save", f"--output={archive}", NAME, other)
    [built] = json.loads(run(*docker, "image", "inspect", other))
    run(*docker, "image", "rm", NAME, other)

    assert identity_in(("docker-archive", archive), NAME) == debian.identity
    assert identity_in(("docker-archive", archive), other).config_digest == built["Id"]


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_an_image_that_podman_saved_is_read_from_its_archive(
    form: str, podman: tuple[str, ...], debian: LayoutImage, tmp_path: Path
) -> None:
    archive = tmp_path / "archive.tar"
    image_id = run(*podman, "pull", "--quiet", f"oci:{debian.layout}:{debian.tag}").strip()
    run(*podman, "tag", image_id, NAME)
    run(*podman, "save", f"--format={form}", f"--output={archive}", NAME)
    run(*podman, "image", "rm", "--force", image_id)

    assert identity_in((form, archive), NAME) == debian.identity


def test_an_image_that_containerd_exported_is_read_by_its_full_name(
    containerd_socket: str, image: LayoutImage, tmp_path: Path
) -> None:
    """Its ``index.json`` has names as BuildKit writes them."""
    archive = tmp_path / "archive.tar"
    ctr = (program("ctr"), f"--address={containerd_socket}", "images")
    transfer(("oci", image.layout), ("oci-archive", archive), "v1", select=image.tag)
    flags = ("--all-platforms", "--no-unpack", "--base-name=registry.example.com/team/app")
    run(*ctr, "import", *flags, str(archive))
    archive.unlink()
    run(*ctr, "export", "--all-platforms", str(archive), NAME)
    run(*ctr, "remove", "--sync", NAME)

    for number, select in enumerate([NAME, "v1", ""]):
        target = tmp_path / str(number)
        digest = transfer(("oci-archive", archive), ("oci", target), "v1", select=select)
        assert digest == image.digest == only_digest(target)


def skopeo_to_docker_archive(image: LayoutImage, archive: Path, name: str) -> None:
    copied = (f"oci:{image.layout}:{image.tag}", f"docker-archive:{archive}:{name}")
    run(program("skopeo"), "--insecure-policy", "copy", "--quiet", *copied)


def are_valid_layers(layout: Path, identity: Identity) -> bool:
    """Return whether skopeo finds the layers of an identity in a layout of gzip layers."""
    raw = json.loads(run(program("skopeo"), "inspect", "--raw", f"oci:{layout}:v1"))
    assert raw["mediaType"] == media_types.OCI_MANIFEST
    unpacked = [
        subprocess.run(
            ["gzip", "-dc", layout / "blobs" / entry["digest"].replace(":", "/")],
            capture_output=True,
            check=True,
        ).stdout
        for entry in raw["layers"]
    ]
    return tuple(str(Digest.of(content)) for content in unpacked) == identity.diff_ids
