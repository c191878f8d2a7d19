"""Archives that are written: complete, reproducible, or not at all."""

import asyncio
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.errors import TagInvalid, Unsupported
from registry_core.spec.manifest import Manifest, parse_manifest
from registry_core.transfer.layout_index import IMAGE_NAME, REF_NAME
from registry_core.transfer.local_files import FilesError
from registry_core.transfer.local_places import open_source, open_target
from registry_core.transfer.oci_layout_target import OciLayoutTarget
from tests.support.content import CONFIG, descriptor, image_index, image_manifest
from tests.support.host import PROJECT
from tests.support.local_images import layer, push_blob

pytestmark = pytest.mark.anyio

LAYER, OTHER_LAYER = layer("one"), layer("two")
IMAGE = parse_manifest(image_manifest(LAYER))
OTHER = parse_manifest(image_manifest(LAYER, OTHER_LAYER))
TRANSPORTS = ("oci-archive", "docker-archive")


async def push(
    target: OciLayoutTarget, manifest: Manifest, *tags: str, repository: str = ""
) -> None:
    for content in (CONFIG, LAYER, OTHER_LAYER):
        await push_blob(target, content)
    await target.push_manifest(repository, manifest, tags)


def members_of(archive: Path) -> dict[str, bytes]:
    """Return the files of an archive, in order."""
    with tarfile.open(archive, "r:") as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in files.items() if file is not None}


def path_of(content: bytes) -> str:
    return f"blobs/sha256/{Digest.of(content).hex}"


async def test_an_archive_is_a_layout(tmp_path: Path) -> None:
    """What it is comes first, so that whoever reads a stream knows it."""
    async with open_target("oci-archive", tmp_path / "a.tar") as target:
        await push(target, IMAGE, "v1")

    members = members_of(tmp_path / "a.tar")
    assert list(members)[:2] == ["oci-layout", "index.json"]
    for content in (CONFIG, LAYER, IMAGE.content):
        assert members[path_of(content)] == content
    async with open_source("oci-archive", tmp_path / "a.tar") as source:
        assert (await source.get_manifest("", "v1")).content == IMAGE.content


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_same_content_gives_the_same_archive(transport: str, tmp_path: Path) -> None:
    for name, contents in (("a", (LAYER, OTHER_LAYER)), ("b", (OTHER_LAYER, LAYER))):
        async with open_target(transport, tmp_path / name) as target:
            for content in contents:
                await push_blob(target, content)
            await push(target, OTHER, "v1", repository="app")

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_a_copy_that_fails_leaves_nothing(
    transport: str, error: type[BaseException], tmp_path: Path
) -> None:
    async def fail() -> None:
        async with open_target(transport, tmp_path / "a.tar") as target:
            await push(target, IMAGE, "v1")
            await target.start_upload("")
            raise error

    with pytest.raises(error):
        await fail()

    assert list(tmp_path.iterdir()) == []


async def test_only_the_archive_is_left(tmp_path: Path) -> None:
    async with open_target("oci-archive", tmp_path / "a.tar") as target:
        await push(target, IMAGE, "v1")
        assert not (tmp_path / "a.tar").exists()

    assert list(tmp_path.iterdir()) == [tmp_path / "a.tar"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_archive_that_exists_is_not_replaced(transport: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_text("before")

    with pytest.raises(FilesError, match="exists already; delete it first"):
        async with open_target(transport, path):
            pass

    assert path.read_text() == "before"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_archive_that_appears_meanwhile_is_not_replaced(
    transport: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tar"

    async def write() -> None:
        async with open_target(transport, path) as target:
            await push(target, IMAGE, "v1")
            path.write_text("by somebody else")

    with pytest.raises(FilesError, match="exists already; delete it first"):
        await write()

    assert path.read_text() == "by somebody else"
    assert list(tmp_path.iterdir()) == [path]


async def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FilesError, match=r"absent.*No such file or directory"):
        async with open_target("oci-archive", tmp_path / "absent" / "a.tar"):
            pass


async def test_an_archive_can_be_written_to_a_stream(tmp_path: Path) -> None:
    output = io.BytesIO()

    async with open_target("docker-archive", output) as target:
        await push(target, IMAGE, "v1", repository="app")
        assert output.getvalue() == b""
    (tmp_path / "a.tar").write_bytes(output.getvalue())

    async with open_source("docker-archive", tmp_path / "a.tar") as source:
        assert (await source.select("app:v1")).digest == IMAGE.digest


def test_an_archive_goes_through_pipes() -> None:
    """``moorage copy ... docker-archive:/dev/stdout | ... docker-archive:/dev/stdin``."""
    program = (
        "import asyncio; from tests.transfer import test_archive_target as it; asyncio.run(it.{}())"
    )
    commands = [
        f"{sys.executable} -c '{program.format(name)}'" for name in ("write_stdout", "read_stdin")
    ]
    done = subprocess.run(
        " | ".join(commands), shell=True, cwd=PROJECT, capture_output=True, check=True, timeout=60
    )

    assert done.stdout.decode() == str(IMAGE.digest)


async def write_stdout() -> None:
    async with open_target("docker-archive", Path("/dev/stdout")) as target:
        await push(target, IMAGE, "v1", repository="app")


async def read_stdin() -> None:
    async with open_source("docker-archive", Path("/dev/stdin")) as source:
        manifest = await source.get_manifest("", "app:v1")
        sys.stdout.write(str(manifest.digest))


async def test_an_archive_is_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FilesError, match="is a folder; an archive is a file"):
        async with open_target("oci-archive", tmp_path):
            pass


async def test_a_folder_cannot_be_a_stream() -> None:
    with pytest.raises(FilesError, match="use oci-archive"):
        async with open_target("oci", io.BytesIO()):
            pass


async def test_a_docker_archive_says_which_blobs_are_an_image(tmp_path: Path) -> None:
    """Names are in full in ``index.json``, for Docker's containerd store."""
    async with open_target("docker-archive", tmp_path / "a.tar") as target:
        await push(target, IMAGE, repository="app")
        await target.push_manifest("app", IMAGE, ["v1", "v2"])
        await target.push_manifest("registry.example.com/app", OTHER, ["v1"])

    members = members_of(tmp_path / "a.tar")
    assert json.loads(members["manifest.json"]) == [
        {
            "Config": path_of(CONFIG),
            "RepoTags": ["docker.io/library/app:v1", "docker.io/library/app:v2"],
            "Layers": [path_of(LAYER)],
        },
        {
            "Config": path_of(CONFIG),
            "RepoTags": ["registry.example.com/app:v1"],
            "Layers": [path_of(LAYER), path_of(OTHER_LAYER)],
        },
    ]
    entries = json.loads(members["index.json"])["manifests"]
    assert [entry["annotations"] for entry in entries] == [
        {REF_NAME: "v1", IMAGE_NAME: "docker.io/library/app:v1"},
        {REF_NAME: "v2", IMAGE_NAME: "docker.io/library/app:v2"},
        {REF_NAME: "v1", IMAGE_NAME: "registry.example.com/app:v1"},
    ]


@pytest.mark.parametrize(
    "repository, tag, names",
    [
        ("app", "v1", ["docker.io/library/app:v1"]),
        ("team/app", "v1", ["docker.io/team/app:v1"]),
        ("", "localhost:5000/app:v1", ["localhost:5000/app:v1"]),
        ("", "team/app", ["docker.io/team/app:latest"]),
        ("", "v1", None),
    ],
)
async def test_an_image_is_loaded_under_its_full_name(
    repository: str, tag: str, names: list[str] | None, tmp_path: Path
) -> None:
    async with open_target("docker-archive", tmp_path / "a.tar") as target:
        await push(target, IMAGE, tag, repository=repository)

    [image] = json.loads(members_of(tmp_path / "a.tar")["manifest.json"])
    assert image["RepoTags"] == names


async def test_a_name_is_that_of_the_image_pushed_last(tmp_path: Path) -> None:
    async with open_target("docker-archive", tmp_path / "a.tar") as target:
        await push(target, IMAGE, "v1", repository="app")
        await push(target, OTHER, "v1", repository="app")

    images = json.loads(members_of(tmp_path / "a.tar")["manifest.json"])
    assert [image["RepoTags"] for image in images] == [None, ["docker.io/library/app:v1"]]
    async with open_source("docker-archive", tmp_path / "a.tar") as source:
        assert (await source.select("app:v1")).digest == OTHER.digest


ARTIFACT = image_manifest(
    LAYER, config=descriptor(b"{}", media_types.OCI_EMPTY), artifactType="application/x"
)


@pytest.mark.parametrize(
    "manifest, message",
    [
        (image_index(IMAGE.content), "one platform, not image indexes; select a platform"),
        (ARTIFACT, "not artifacts of type 'application/vnd.oci.empty.v1"),
    ],
)
async def test_what_docker_cannot_load_is_refused(
    manifest: bytes, message: str, tmp_path: Path
) -> None:
    async with open_target("docker-archive", tmp_path / "a.tar") as target:
        await push_blob(target, b"{}")
        with pytest.raises(Unsupported, match=message):
            await push(target, parse_manifest(manifest), "v1", repository="app")


async def test_a_name_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    async with open_target("docker-archive", tmp_path / "a.tar") as target:
        with pytest.raises(TagInvalid):
            await push(target, IMAGE, "not a tag", repository="app")
