"""OCI layouts that are read: complete ones, incomplete ones, and hostile ones."""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from registry_core.registry import Listing, TagInfo
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL, PageQuery
from registry_core.spec.errors import BlobUnknown, ManifestUnknown
from registry_core.spec.manifest import MAX_MANIFEST_BYTES
from registry_core.transfer.layout_index import MAX_INDEX_BYTES, REF_NAME
from registry_core.transfer.local_files import FilesError
from registry_core.transfer.local_places import open_source
from tests.support.content import CONFIG, descriptor, image_index, image_manifest
from tests.support.local_images import read_blob, write_layout, write_tar

pytestmark = pytest.mark.anyio

Entry = Mapping[str, object]

LAYER = bytes(range(256)) * 5000
IMAGE = image_manifest(LAYER)
INDEX = image_index(IMAGE)
OUTER = image_index(manifests=[descriptor(INDEX, media_types.OCI_INDEX)])


def listed(content: bytes, tag: str = "", media_type: str = media_types.OCI_MANIFEST) -> Entry:
    """Return an entry of ``index.json``."""
    entry = descriptor(content, media_type)
    return entry | {"annotations": {REF_NAME: tag}} if tag else entry


def referrer(subject: bytes, artifact_type: str = "application/x", **fields: object) -> bytes:
    fields["subject"] = descriptor(subject, media_types.OCI_MANIFEST)
    return image_manifest(artifactType=artifact_type, **fields)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout of an index in an index."""
    folder = tmp_path / "layout"
    write_layout(
        folder,
        [CONFIG, LAYER, IMAGE, INDEX, OUTER],
        [listed(IMAGE, "image"), listed(OUTER, "outer", media_types.OCI_INDEX)],
    )
    return folder


def as_archive(layout: Path) -> Path:
    members = {
        str(path.relative_to(layout)): path.read_bytes()
        for path in layout.rglob("*")
        if path.is_file()
    }
    return write_tar(layout.parent / "layout.tar", members)


@pytest.fixture(params=["oci", "oci-archive"])
def place(request: pytest.FixtureRequest, layout: Path) -> tuple[str, Path]:
    """The layout in a folder, and in an archive."""
    transport = str(request.param)
    return transport, layout if transport == "oci" else as_archive(layout)


async def test_manifests_are_read_by_tag_and_digest(place: tuple[str, Path]) -> None:
    async with open_source(*place) as source:
        outer = await source.get_manifest("", "outer")
        [inner] = outer.document.manifests
        index = await source.get_manifest("", inner.digest)
        [child] = index.document.manifests
        image = await source.get_manifest("", child.digest)

        assert (outer.content, index.content, image.content) == (OUTER, INDEX, IMAGE)
        assert outer.media_type == index.media_type == media_types.OCI_INDEX
        assert await source.resolve_manifest("", "image") == image.descriptor
        assert (await source.select("image")).digest == image.digest


async def test_blobs_are_read_in_pieces_from_any_offset(place: tuple[str, Path]) -> None:
    async with open_source(*place) as source:
        digest = Digest.of(LAYER)

        assert await source.resolve_blob("", digest) == Descriptor(
            media_types.OCTET_STREAM, digest, len(LAYER)
        )
        assert await read_blob(source, digest) == LAYER
        assert await read_blob(source, digest, 1_200_001) == LAYER[1_200_001:]
        blob = await source.open_blob("", digest)
        assert await blob.url() is None
        assert max([len(piece) async for piece in await blob.read(0, len(LAYER))]) <= 2**20


async def test_tags_are_listed_in_pages(place: tuple[str, Path]) -> None:
    async with open_source(*place) as source:
        assert await source.list_tags("", ALL) == Listing((TagInfo("image"), TagInfo("outer")))
        first = await source.list_tags("", PageQuery(1), details=True)
        assert first.entries == (
            TagInfo("image", Digest.of(IMAGE), media_types.OCI_MANIFEST, len(IMAGE)),
        )
        assert first.next is not None
        rest = await source.list_tags("", first.next)
        assert rest == Listing((TagInfo("outer"),))


async def test_what_is_missing_is_unknown(place: tuple[str, Path]) -> None:
    absent = Digest.of(b"absent")
    async with open_source(*place) as source:
        with pytest.raises(BlobUnknown, match=f"has no blob {absent}"):
            await source.open_blob("", absent)
        with pytest.raises(ManifestUnknown, match=f"has no manifest {absent}"):
            await source.get_manifest("", absent)
        with pytest.raises(ManifestUnknown, match="tags: image, outer"):
            await source.get_manifest("", "absent")


async def test_a_blob_that_disappears_is_unknown_when_it_is_read(layout: Path) -> None:
    async with open_source("oci", layout) as source:
        blob = await source.open_blob("", Digest.of(LAYER))
        (layout / "blobs/sha256" / Digest.of(LAYER).hex).unlink()

        with pytest.raises(BlobUnknown):
            [piece async for piece in await blob.read(0, 10)]


async def test_content_by_sha512_is_read(layout: Path) -> None:
    digest = Digest.of(IMAGE, "sha512")
    (layout / "blobs/sha512").mkdir()
    (layout / "blobs/sha512" / digest.hex).write_bytes(IMAGE)

    async with open_source("oci", layout) as source:
        assert (await source.get_manifest("", digest)).digest == digest
        assert await read_blob(source, digest) == IMAGE


async def test_a_damaged_manifest_is_not_returned(layout: Path) -> None:
    (layout / "blobs/sha256" / Digest.of(IMAGE).hex).write_bytes(IMAGE + b" ")

    async with open_source("oci", layout) as source:
        with pytest.raises(ManifestUnknown, match="is damaged"):
            await source.get_manifest("", "image")


async def test_a_blob_that_is_not_a_manifest_is_not_returned_as_one(layout: Path) -> None:
    async with open_source("oci", layout) as source:
        with pytest.raises(ManifestUnknown, match="mediaType is missing"):
            await source.get_manifest("", Digest.of(CONFIG))


async def test_a_manifest_that_is_too_large_is_not_read(layout: Path) -> None:
    path = layout / "blobs/sha256" / Digest.of(IMAGE).hex
    os.truncate(path, MAX_MANIFEST_BYTES + 1)

    async with open_source("oci", layout) as source:
        with pytest.raises(ManifestUnknown, match="too many for a manifest"):
            await source.get_manifest("", "image")


async def test_the_referrers_of_a_manifest_are_those_listed_that_name_it(tmp_path: Path) -> None:
    """Their descriptors have artifact type and annotations, in the order of their digests."""
    one = referrer(IMAGE, "application/one", annotations={"a": "b"})
    two, foreign = referrer(IMAGE, "application/two"), referrer(INDEX)
    contents = [CONFIG, IMAGE, one, two, foreign]
    folder = tmp_path / "layout"
    missing = listed(b"a manifest that is not there")
    write_layout(folder, contents, [*map(listed, contents), listed(two, "tagged"), missing])
    async with open_source("oci", folder) as source:

        async def found(artifact_type: str | None = None) -> list[Descriptor]:
            listing = await source.list_referrers("", Digest.of(IMAGE), artifact_type, ALL)
            return list(listing.entries)

        expected = {
            Digest.of(content): Descriptor(
                media_types.OCI_MANIFEST,
                Digest.of(content),
                len(content),
                annotations=annotations,
                artifact_type=artifact_type,
            )
            for content, artifact_type, annotations in (
                (one, "application/one", {"a": "b"}),
                (two, "application/two", None),
            )
        }
        assert await found() == [expected[digest] for digest in sorted(expected)]
        assert await found("application/two") == [expected[Digest.of(two)]]
        assert await found("application/none") == []


async def test_referrers_are_found_by_the_list_that_a_tag_names_too(tmp_path: Path) -> None:
    """Clients keep one in layouts, such as regctl."""
    signature = referrer(IMAGE)
    fallback = image_index(signature)
    tag = f"sha256-{Digest.of(IMAGE).hex}"
    folder = tmp_path / "layout"
    write_layout(
        folder,
        [IMAGE, signature, fallback],
        [listed(IMAGE, "v1"), listed(fallback, tag, media_types.OCI_INDEX)],
    )

    async with open_source("oci", folder) as source:
        listing = await source.list_referrers("", Digest.of(IMAGE), None, ALL)

    assert [entry.digest for entry in listing.entries] == [Digest.of(signature)]


async def test_a_change_of_the_index_is_seen(layout: Path) -> None:
    async with open_source("oci", layout) as source:
        await source.list_tags("", ALL)
        index = {"schemaVersion": 2, "manifests": [listed(IMAGE, "another")]}
        (layout / "index.json").write_text(json.dumps(index))

        assert (await source.list_tags("", ALL)).entries == (TagInfo("another"),)


def no_folder(layout: Path) -> None:
    layout.rename(layout.parent / "elsewhere")


def no_version(layout: Path) -> None:
    (layout / "oci-layout").unlink()


def other_version(layout: Path) -> None:
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')


def huge_version(layout: Path) -> None:
    os.truncate(layout / "oci-layout", 2**40)


@pytest.mark.parametrize(
    "change, message",
    [
        (no_folder, "No such file"),
        (no_version, "not an OCI image layout: it has no oci-layout"),
        (other_version, "imageLayoutVersion is not 1.0.0"),
        (huge_version, "at most 65536 are read"),
    ],
)
async def test_a_folder_that_is_not_a_layout_is_refused(
    change: Callable[[Path], None], message: str, layout: Path
) -> None:
    change(layout)

    with pytest.raises(FilesError, match=message):
        async with open_source("oci", layout):
            pass


async def test_an_index_of_gigabytes_is_not_read(layout: Path) -> None:
    os.truncate(layout / "index.json", MAX_INDEX_BYTES + 1)

    async with open_source("oci", layout) as source:
        with pytest.raises(FilesError, match=f"at most {MAX_INDEX_BYTES} are read"):
            await source.list_tags("", ALL)


def link_blob(blob: Path) -> None:
    blob.rename(blob.parents[3] / "outside")
    blob.symlink_to(blob.parents[3] / "outside")


def link_blobs(blob: Path) -> None:
    blob.parents[1].rename(blob.parents[3] / "outside")
    blob.parents[1].symlink_to(blob.parents[3] / "outside")


def link_algorithm(blob: Path) -> None:
    blob.parent.rename(blob.parents[3] / "outside")
    blob.parent.symlink_to(blob.parents[3] / "outside")


def link_inside(blob: Path) -> None:
    blob.rename(blob.parents[2] / "inside")
    blob.symlink_to("../../inside")


def folder_in_place(blob: Path) -> None:
    blob.unlink()
    blob.mkdir()


def fifo_in_place(blob: Path) -> None:
    blob.unlink()
    os.mkfifo(blob)


def socket_in_place(blob: Path) -> None:
    blob.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(blob.parent)  # the paths of sockets are short
        listening.bind(blob.name)


@pytest.mark.parametrize(
    "change, message",
    [
        (link_blob, "is a symbolic link, which is not followed.*cp -RL"),
        (link_inside, "is a symbolic link, which is not followed"),
        (link_blobs, "behind a symbolic link"),
        (link_algorithm, "behind a symbolic link"),
        (folder_in_place, "is not a regular file"),
        (fifo_in_place, "is not a regular file"),
        (socket_in_place, "No such device"),
    ],
)
async def test_what_is_not_a_regular_file_of_the_folder_is_not_read(
    change: Callable[[Path], None],
    message: str,
    layout: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(layout)
    change(layout / "blobs/sha256" / Digest.of(LAYER).hex)

    async with asyncio.timeout(10), open_source("oci", layout) as source:
        with pytest.raises(FilesError, match=message):
            await source.open_blob("", Digest.of(LAYER))


async def test_the_folder_itself_may_be_behind_a_link(layout: Path) -> None:
    (layout.parent / "link").symlink_to(layout)

    async with open_source("oci", layout.parent / "link") as source:
        assert (await source.get_manifest("", "image")).content == IMAGE


async def test_a_digest_that_is_a_path_leads_nowhere(layout: Path) -> None:
    entry = {"mediaType": media_types.OCI_MANIFEST, "digest": "sha256:../../../secret", "size": 1}
    index = {"schemaVersion": 2, "manifests": [entry]}
    (layout / "index.json").write_text(json.dumps(index))

    async with open_source("oci", layout) as source:
        assert await source.list_tags("", ALL) == Listing(())
        with pytest.raises(ManifestUnknown, match="not a valid descriptor"):
            await source.select("@0")
