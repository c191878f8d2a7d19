"""Docker archives that are read: old forms, new ones, and hostile ones."""

import bz2
import gzip
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from registry_core.registry import TagInfo
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.errors import BlobUnknown, ManifestUnknown
from registry_core.transfer import docker_archive
from registry_core.transfer.compression import PackedLayer, packed
from registry_core.transfer.docker_archive import DockerArchive
from registry_core.transfer.layout_index import REF_NAME
from registry_core.transfer.local_files import FilesError, StoredFile
from registry_core.transfer.local_places import open_source, open_target
from tests.support.content import descriptor, image_manifest
from tests.support.local_images import (
    Members,
    copy,
    image_config,
    layer,
    link,
    read_blob,
    write_tar,
)

pytestmark = pytest.mark.anyio

ONE, TWO = layer("one", b"1" * 100_000), layer("two", b"2" * 100_000)
CONFIG = image_config(ONE, TWO)
NAME = "registry.example.com/team/app:v1"


def listing(*images: Mapping[str, object]) -> bytes:
    return json.dumps(images).encode()


def image(
    config: str = "config.json",
    layers: Sequence[str] = ("one.tar", "two.tar"),
    names: Sequence[str] | None = (NAME,),
) -> dict[str, object]:
    return {"Config": config, "RepoTags": names, "Layers": list(layers)}


def archive(tmp_path: Path, members: Members, *images: Mapping[str, object]) -> Path:
    return write_tar(tmp_path / "a.tar", {**members, "manifest.json": listing(*images)})


PLAIN: Members = {"config.json": CONFIG, "one.tar": ONE, "two.tar": TWO}
IN_FOLDERS: Members = {
    "config.json": CONFIG,
    "1/": link("", tarfile.DIRTYPE),
    "1/layer.tar": ONE,
    "1/VERSION": b"1.0",
    "2/layer.tar": TWO,
    "3/layer.tar": link("../1/layer.tar"),
    "repositories": b"{}",
}


@pytest.mark.parametrize(
    "members, layers",
    [
        (PLAIN, ("one.tar", "two.tar")),
        (IN_FOLDERS, ("1/layer.tar", "2/layer.tar")),
        (IN_FOLDERS, ("3/layer.tar", "./2/layer.tar")),
    ],
    ids=["plain", "in folders", "by links"],
)
async def test_an_image_gets_a_manifest_of_its_config_and_its_layers_in_gzip(
    members: Members, layers: Sequence[str], tmp_path: Path
) -> None:
    path = archive(tmp_path, members, image(layers=layers))

    async with open_source("docker-archive", path) as source:
        manifest = await source.get_manifest("", "v1")

        assert manifest.media_type == media_types.OCI_MANIFEST
        config = manifest.document.config
        assert config is not None
        assert (config.media_type, config.digest) == (media_types.OCI_CONFIG, Digest.of(CONFIG))
        assert await read_blob(source, config.digest) == CONFIG
        contents = [await read_blob(source, one.digest) for one in manifest.document.layers]
        assert [gzip.decompress(content) for content in contents] == [ONE, TWO]
        assert [one.size for one in manifest.document.layers] == [len(each) for each in contents]
        assert {one.media_type for one in manifest.document.layers} == {
            "application/vnd.oci.image.layer.v1.tar+gzip"
        }


async def test_an_archive_gives_the_same_digest_each_time(tmp_path: Path) -> None:
    path = archive(tmp_path, PLAIN, image())
    other = write_tar(tmp_path / "b.tar.gz", {**PLAIN, "manifest.json": listing(image())}, "w:gz")

    digests = set()
    for each in (path, path, other):
        async with open_source("docker-archive", each) as source:
            digests.add((await source.select("")).digest)

    assert len(digests) == 1


@pytest.mark.parametrize(
    "compressed, suffix",
    [(gzip.compress(ONE), "gzip"), (b"\x28\xb5\x2f\xfd" + ONE, "zstd")],
)
async def test_compressed_layers_stay_as_they_are(
    compressed: bytes, suffix: str, tmp_path: Path
) -> None:
    """As crane writes them."""
    members = {"config.json": image_config(ONE), "one.tar.gz": compressed}
    path = archive(tmp_path, members, image(layers=["one.tar.gz"]))

    async with open_source("docker-archive", path) as source:
        [found] = (await source.get_manifest("", "v1")).document.layers

        assert found.digest == Digest.of(compressed)
        assert found.media_type.endswith(f"+{suffix}")
        assert await read_blob(source, found.digest) == compressed


async def test_images_are_selected_by_name_tag_digest_or_number(tmp_path: Path) -> None:
    members = {**PLAIN, "config2.json": image_config(TWO)}
    images = (
        image(names=["alpine:3", NAME]),
        image("config2.json", ["two.tar"], ["docker.io/library/nginx:3"]),
    )

    async with open_source("docker-archive", archive(tmp_path, members, *images)) as source:
        first, second = await source.select("@0"), await source.select("@1")

        assert (first.tag, second.tag) == ("3", "3")
        for name in ("alpine:3", "docker.io/library/alpine:3", NAME, "v1", str(first.digest)):
            assert (await source.select(name)).digest == first.digest
        assert (await source.select("nginx:3")).digest == second.digest
        assert (await source.list_tags("", ALL)).entries == (TagInfo("3"), TagInfo("v1"))
        assert not (await source.list_referrers("", first.digest, None, ALL)).entries
        for text, message in {
            "": "2 images; name one of alpine:3, registry",
            "3": "several images '3'",
            "v9": "no image 'v9', only alpine:3",
            "@2": "no image @2: it has 2",
        }.items():
            with pytest.raises(ManifestUnknown, match=message):
                await source.select(text)
        with pytest.raises(ManifestUnknown, match="no image whose manifest is"):
            await source.get_manifest("", Digest.of(b"absent"))
        with pytest.raises(BlobUnknown):
            await source.open_blob("", Digest.of(b"absent"))


async def test_an_image_without_a_name_is_the_only_one(tmp_path: Path) -> None:
    path = archive(tmp_path, PLAIN, image(names=None))

    async with open_source("docker-archive", path) as source:
        assert (await source.select("")).tag is None


async def test_a_layer_is_compressed_once_for_all_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compressed: list[str] = []

    def counted(file: StoredFile) -> PackedLayer:
        compressed.append(file.where)
        return packed(file)

    monkeypatch.setattr(docker_archive, "packed", counted)
    members = {**PLAIN, "config2.json": image_config(ONE, ONE, TWO)}
    again = image("config2.json", ["one.tar", "one.tar", "two.tar"], ["app:v2"])

    async with open_source("docker-archive", archive(tmp_path, members, image(), again)) as source:
        for tag in ("v1", "v2", "v1"):
            await source.get_manifest("", tag)

    assert len(compressed) == 2


async def test_a_layout_with_manifest_json_beside_is_read_as_a_layout(tmp_path: Path) -> None:
    """As Docker 25 and later write it: the manifest is the one that was pulled or built."""
    manifest = image_manifest(ONE, config=descriptor(image_config(ONE), media_types.OCI_CONFIG))
    blobs = {
        f"blobs/sha256/{Digest.of(content).hex}": content
        for content in (manifest, ONE, image_config(ONE))
    }
    entry = descriptor(manifest, media_types.OCI_MANIFEST) | {"annotations": {REF_NAME: "v1"}}
    members: Members = {
        **blobs,
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(),
    }

    async with open_source("docker-archive", archive(tmp_path, members, image())) as source:
        assert (await source.get_manifest("", "v1")).content == manifest


async def test_an_archive_is_copied_to_a_layout_and_back(tmp_path: Path) -> None:
    path = archive(tmp_path, PLAIN, image())

    async with (
        open_source("docker-archive", path) as source,
        open_target("oci", tmp_path / "layout") as target,
    ):
        digest = (await source.select("")).digest
        await copy(source, digest, target, ["v1"])
    async with (
        open_source("oci", tmp_path / "layout") as source,
        open_target("docker-archive", tmp_path / "b.tar") as target,
    ):
        await copy(source, digest, target, ["v1"], "app")

    async with open_source("docker-archive", tmp_path / "b.tar") as source:
        assert (await source.select("app:v1")).digest == digest


WRONG = image_config(TWO, TWO)


@pytest.mark.parametrize(
    "members, entry, message",
    [
        ({**PLAIN, "config.json": WRONG}, image(), f"one.tar: its digest is {Digest.of(ONE)}, not"),
        (PLAIN, image(layers=["one.tar"]), "names 2 layers, manifest.json 1"),
        (PLAIN, image("absent.json"), "is incomplete: 'absent.json' is missing"),
        (PLAIN, image(layers=["one.tar", "../two.tar"]), "'../two.tar' is missing"),
        (PLAIN, image(layers=["one.tar", "/etc/passwd"]), "'/etc/passwd' is missing"),
        ({**PLAIN, "two.tar": link("/etc/passwd")}, image(), "leads out of the archive"),
        ({**PLAIN, "config.json": b"[]"}, image(), "is a list, not a JSON object"),
        ({**PLAIN, "config.json": b'{"rootfs": {"diff_ids": 1}}'}, image(), "is not a list"),
        ({**PLAIN, "config.json": b'{"rootfs": {"diff_ids": ["x"]}}'}, image(), "not a digest"),
        ({**PLAIN, "config.json": b" " * 2**24}, image(), "has 16777216 bytes; at most"),
        ({**PLAIN, "two.tar": bz2.compress(TWO)}, image(), "compressed with bzip2"),
    ],
)
async def test_an_image_that_is_not_as_described_is_refused(
    members: Members, entry: Mapping[str, object], message: str, tmp_path: Path
) -> None:
    async with open_source("docker-archive", archive(tmp_path, members, entry)) as source:
        with pytest.raises(FilesError, match=message):
            await source.get_manifest("", "v1")


@pytest.mark.parametrize(
    "members, message",
    [
        ({"other": b""}, "not a docker archive: it has no manifest.json"),
        ({"manifest.json": b"{}"}, "is not a list of images"),
        ({"manifest.json": b"[1]"}, "is not a list of images"),
        ({"manifest.json": b"{"}, "not valid JSON"),
        ({"manifest.json": b'[{"Config": 1}]'}, r"\[0\] is not an image"),
        ({"manifest.json": b'[{"Config": "c", "Layers": [1]}]'}, r"\[0\] is not an image"),
        ({"manifest.json": listing(image(layers=["x"] * 1001))}, "has 1001 layers, more than"),
        ({"manifest.json": b"[" + b" " * 2**24}, "has 16777217 bytes; at most"),
        ({"manifest.json": link("/etc/passwd")}, "leads out of the archive"),
    ],
)
async def test_an_archive_that_is_not_dockers_is_refused(
    members: Members, message: str, tmp_path: Path
) -> None:
    path = write_tar(tmp_path / "a.tar", members)

    with pytest.raises(FilesError, match=message):
        async with open_source("docker-archive", path):
            pass


async def test_temporary_files_are_closed_with_the_archive(tmp_path: Path) -> None:
    path = archive(tmp_path, PLAIN, image())

    async with open_source("docker-archive", path) as source:
        assert isinstance(source, DockerArchive)
        await source.get_manifest("", "v1")
        files = [each.file for each in source._packed]

    assert len(files) == 2
    assert all(file.closed for file in files)
