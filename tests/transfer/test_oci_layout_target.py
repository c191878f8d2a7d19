"""OCI layouts that are written: complete whatever happens, and without harm to what is there."""

import asyncio
import errno
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from registry_core.registry import Chunk, Upload, UploadOutOfOrder
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.errors import (
    BlobUnknown,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestUnknown,
    SizeInvalid,
    TagInvalid,
    Unsupported,
)
from registry_core.spec.manifest import Manifest, parse_manifest
from registry_core.spec.preconditions import Precondition, PreconditionFailed
from registry_core.transfer.layout_index import REF_NAME
from registry_core.transfer.local_files import FilesError
from registry_core.transfer.local_places import open_source, open_target
from registry_core.transfer.oci_layout_target import OciLayoutTarget
from tests.support.content import CONFIG, descriptor, image_index, image_manifest
from tests.support.host import PROJECT
from tests.support.local_images import chunk, push_blob, read_blob, write_layout

pytestmark = pytest.mark.anyio

LAYER = bytes(range(256)) * 5000
IMAGE = parse_manifest(image_manifest(LAYER))
OTHER = parse_manifest(image_manifest(LAYER, annotations={"other": "1"}))
INDEX = parse_manifest(image_index(IMAGE.content, OTHER.content))
SIGNATURE = parse_manifest(
    image_manifest(LAYER, subject=descriptor(IMAGE.content, media_types.OCI_MANIFEST))
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "layouts" / "layout"


@pytest.fixture
async def target(folder: Path) -> AsyncIterator[OciLayoutTarget]:
    """A new layout with the blobs of the manifests."""
    async with open_target("oci", folder) as opened:
        for content in (CONFIG, LAYER):
            await push_blob(opened, content)
        yield opened


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def names_in(folder: Path) -> list[tuple[str | None, str]]:
    """Return the entries of the index: tag and digest."""
    entries = json.loads((folder / "index.json").read_bytes())["manifests"]
    return [(entry.get("annotations", {}).get(REF_NAME), entry["digest"]) for entry in entries]


def path_of(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


async def test_what_was_pushed_can_be_read(target: OciLayoutTarget, folder: Path) -> None:
    pushed = await target.push_manifest("", IMAGE, ["v1", "v2"])

    assert (pushed.descriptor, pushed.subject) == (IMAGE.descriptor, None)
    async with open_source("oci", folder) as source:
        assert (await source.get_manifest("", "v2")).content == IMAGE.content
        assert await read_blob(source, Digest.of(LAYER)) == LAYER


async def test_a_layout_has_the_files_of_the_specification_and_no_others(
    target: OciLayoutTarget, folder: Path
) -> None:
    await target.push_manifest("", IMAGE, ["v1"])

    contents = (CONFIG, LAYER, IMAGE.content)
    blobs = {path_of(Digest.of(content)) for content in contents}
    assert files_in(folder) == blobs | {"oci-layout", "index.json"}
    assert json.loads((folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    for content in contents:
        assert (folder / path_of(Digest.of(content))).read_bytes() == content


async def test_an_empty_blob_and_one_by_sha512_are_written(
    target: OciLayoutTarget, folder: Path
) -> None:
    for content, algorithm in ((b"", "sha256"), (LAYER, "sha512")):
        digest = await push_blob(target, content, algorithm)
        assert (folder / path_of(digest)).read_bytes() == content


async def test_an_upload_may_end_in_another_algorithm_than_it_began(
    target: OciLayoutTarget, folder: Path
) -> None:
    upload = await target.append_upload(await target.start_upload("", "sha256"), chunk(LAYER))
    digest = Digest.of(LAYER, "sha512")

    await target.finish_upload(upload, digest, chunk())

    assert (folder / path_of(digest)).read_bytes() == LAYER


async def test_tags_are_added_and_moved(target: OciLayoutTarget, folder: Path) -> None:
    await target.push_manifest("", IMAGE, ["v1"])
    await target.push_manifest("", IMAGE, ["v2"])
    await target.push_manifest("", OTHER, ["v1"])

    assert names_in(folder) == [("v2", str(IMAGE.digest)), ("v1", str(OTHER.digest))]


async def test_a_layout_that_is_opened_again_keeps_what_it_has(tmp_path: Path) -> None:
    """Files of others, and fields that nobody knows, are kept as well."""
    folder = tmp_path / "layout"
    entry = descriptor(IMAGE.content, media_types.OCI_MANIFEST) | {"x": 1}
    write_layout(folder, [CONFIG, LAYER, IMAGE.content], [entry])
    (folder / "notes.txt").write_text("mine")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0", "x": 1}')
    before = files_in(folder)

    async with open_target("oci", folder) as target:
        await target.push_manifest("", OTHER, ["v1"])

    assert files_in(folder) == before | {path_of(OTHER.digest)}
    assert json.loads((folder / "oci-layout").read_text())["x"] == 1
    assert json.loads((folder / "index.json").read_text())["manifests"][0] == entry


async def test_the_manifests_of_an_index_are_not_listed_beside_it(
    target: OciLayoutTarget, folder: Path
) -> None:
    """As skopeo writes it. Each was listed until then, or a crash would have lost it."""
    await target.push_manifest("", IMAGE)
    await target.push_manifest("", OTHER, ["other"])
    assert names_in(folder) == [(None, str(IMAGE.digest)), ("other", str(OTHER.digest))]

    await target.push_manifest("", INDEX, ["v1"])

    assert names_in(folder) == [("other", str(OTHER.digest)), ("v1", str(INDEX.digest))]


async def test_an_entry_that_was_there_before_stays_though_an_index_has_it(tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    entry = descriptor(IMAGE.content, media_types.OCI_MANIFEST)
    write_layout(folder, [CONFIG, LAYER, IMAGE.content, OTHER.content], [entry])

    async with open_target("oci", folder) as target:
        await target.push_manifest("", INDEX, ["v1"])

    assert names_in(folder) == [(None, str(IMAGE.digest)), ("v1", str(INDEX.digest))]


async def test_a_referrer_is_listed_and_found_by_its_subject(target: OciLayoutTarget) -> None:
    await target.push_manifest("", IMAGE, ["v1"])
    pushed = await target.push_manifest("", SIGNATURE)

    assert pushed.subject == IMAGE.digest
    listing = await target.list_referrers("", IMAGE.digest, None, ALL)
    assert [entry.digest for entry in listing.entries] == [SIGNATURE.digest]
    assert (await target.select("")).digest == IMAGE.digest


async def test_a_referrer_that_is_not_listed_is_not_there_yet(
    target: OciLayoutTarget, folder: Path
) -> None:
    """A process that was killed left it; a copy that asks for it copies it again."""
    (folder / path_of(SIGNATURE.digest)).write_bytes(SIGNATURE.content)

    with pytest.raises(ManifestUnknown, match="does not list the referrer"):
        await target.resolve_manifest("", SIGNATURE.digest)
    await target.push_manifest("", SIGNATURE)
    assert await target.resolve_manifest("", SIGNATURE.digest) == SIGNATURE.descriptor


async def test_a_referrer_stays_listed_though_an_index_has_it(
    target: OciLayoutTarget, folder: Path
) -> None:
    await target.push_manifest("", SIGNATURE)
    index = parse_manifest(image_index(SIGNATURE.content))
    await target.push_manifest("", index, ["v1"])

    assert names_in(folder) == [(None, str(SIGNATURE.digest)), ("v1", str(index.digest))]


async def test_a_manifest_whose_blobs_are_missing_is_refused(
    target: OciLayoutTarget, folder: Path
) -> None:
    missing = [Digest.of(content) for content in (b"one", b"two")]

    with pytest.raises(ManifestBlobUnknown) as error:
        await target.push_manifest("", parse_manifest(image_manifest(b"one", LAYER, b"two")))

    assert error.value.detail == sorted(missing)
    assert names_in(folder) == []


async def test_an_index_may_lack_manifests(target: OciLayoutTarget, folder: Path) -> None:
    """A copy of some platforms only; "The blobs directory MAY be missing referenced blobs"."""
    await target.push_manifest("", INDEX, ["v1"])

    assert names_in(folder) == [("v1", str(INDEX.digest))]


async def test_a_full_name_is_written_as_it_is(target: OciLayoutTarget, folder: Path) -> None:
    await target.push_manifest("", IMAGE, ["docker.io/library/app:v1"])

    assert names_in(folder) == [("docker.io/library/app:v1", str(IMAGE.digest))]
    assert (await target.select("app:v1")).digest == IMAGE.digest


async def test_a_tag_is_there_if_it_is_written_like_that(target: OciLayoutTarget) -> None:
    """Others, such as skopeo, find a manifest by the name as it is written only."""
    await target.push_manifest("", IMAGE, ["registry.example.com/app:v1"])
    with pytest.raises(ManifestUnknown, match="no manifest named 'v1'"):
        await target.resolve_manifest("", "v1")
    await target.push_manifest("", IMAGE, ["v1"], Precondition.parse(None, "*"))

    for name in ("v1", "registry.example.com/app:v1"):
        assert await target.resolve_manifest("", name) == IMAGE.descriptor


async def test_a_name_that_is_not_valid_is_refused(target: OciLayoutTarget, folder: Path) -> None:
    with pytest.raises(TagInvalid):
        await target.push_manifest("", IMAGE, ["not a tag"])
    assert names_in(folder) == []


async def test_a_precondition_is_about_the_first_tag(target: OciLayoutTarget) -> None:
    new = Precondition.parse(None, "*")
    await target.push_manifest("", IMAGE, ["v1"], new)

    with pytest.raises(PreconditionFailed):
        await target.push_manifest("", OTHER, ["v1"], new)
    await target.push_manifest("", OTHER, ["v1"], Precondition.parse(f'"{IMAGE.digest}"', None))


async def test_content_that_does_not_hash_to_its_digest_is_discarded(
    target: OciLayoutTarget, folder: Path
) -> None:
    before = files_in(folder)
    upload = await target.append_upload(await target.start_upload(""), chunk(b"wrong"))

    with pytest.raises(DigestInvalid, match=f"is {Digest.of(b'wrong')}, not {IMAGE.digest}"):
        await target.finish_upload(upload, IMAGE.digest, chunk())

    assert files_in(folder) == before
    with pytest.raises(BlobUploadUnknown):
        await target.get_upload(upload)


async def test_an_upload_is_finished_once(target: OciLayoutTarget) -> None:
    upload = await target.append_upload(await target.start_upload(""), chunk(LAYER))
    digest = Digest.of(LAYER + b"end")

    results = await asyncio.gather(
        *(target.finish_upload(upload, digest, chunk(b"end")) for _ in range(2)),
        return_exceptions=True,
    )

    assert sorted(type(result).__name__ for result in results) == [
        "BlobUploadUnknown",
        "Descriptor",
    ]


async def test_a_damaged_blob_is_replaced(target: OciLayoutTarget, folder: Path) -> None:
    path = folder / path_of(Digest.of(LAYER))
    path.write_bytes(b"damaged")

    await push_blob(target, LAYER)

    assert path.read_bytes() == LAYER


async def failing(content: bytes) -> AsyncIterator[bytes]:
    yield content
    raise ConnectionError


async def test_a_piece_that_breaks_off_leaves_nothing(
    target: OciLayoutTarget, folder: Path
) -> None:
    upload = await target.append_upload(await target.start_upload(""), chunk(b"begin, "))

    with pytest.raises(ConnectionError):
        await target.append_upload(upload, Chunk(failing(b"x" * 3_000_000)))
    with pytest.raises(SizeInvalid, match="5 bytes arrived; 6 were announced"):
        await target.append_upload(upload, chunk(b"short", length=6))
    with pytest.raises(UploadOutOfOrder) as error:
        await target.append_upload(upload, chunk(b"late", start=99))
    assert error.value.upload.offset == 7
    assert await target.get_upload(upload) == Upload("", upload.id, 7)

    digest = Digest.of(b"begin, end")
    await target.finish_upload(upload, digest, chunk(b"end", start=7, length=3))
    assert (folder / path_of(digest)).read_bytes() == b"begin, end"


async def test_uploads_that_are_not_finished_leave_no_files(folder: Path) -> None:
    async with open_target("oci", folder) as target:
        cancelled = await target.append_upload(await target.start_upload(""), chunk(LAYER))
        await target.cancel_upload(cancelled)
        assert files_in(folder) == {"oci-layout", "index.json"}
        await target.append_upload(await target.start_upload(""), chunk(LAYER))
        task = asyncio.create_task(
            target.append_upload(await target.start_upload(""), Chunk(endless()))
        )
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert files_in(folder) == {"oci-layout", "index.json"}


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(2**20)
        await asyncio.sleep(0)


async def test_a_full_disk_is_named_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with open_target("oci", folder) as target:
        for content in (CONFIG, LAYER):
            await push_blob(target, content)
        before = files_in(folder)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", refuse)
            with pytest.raises(FilesError, match=f"{folder}/.*No space left on device"):
                await push_blob(target, b"new")
            with pytest.raises(FilesError, match="No space left on device"):
                await target.push_manifest("", IMAGE, ["v1"])

    assert files_in(folder) == before


async def test_a_blob_of_the_layout_needs_no_upload(target: OciLayoutTarget) -> None:
    digest = Digest.of(LAYER)

    assert (await target.mount_blob("", digest, "another")).digest == digest
    with pytest.raises(BlobUnknown):
        await target.mount_blob("", Digest.of(b"absent"), None)


async def test_there_is_no_staging(target: OciLayoutTarget) -> None:
    upload = await target.start_upload("")

    assert await target.open_staging(upload) is None
    assert await target.start_direct_upload("") is None
    assert not await target.claim_direct_uploads("", {IMAGE.digest: None})
    with pytest.raises(Unsupported):
        await target.finish_staged_upload(upload, IMAGE.digest, 1)


def numbered(count: int) -> list[Manifest]:
    return [
        parse_manifest(image_manifest(LAYER, annotations={"number": str(number)}))
        for number in range(count)
    ]


async def test_writers_at_the_same_time_lose_nothing(target: OciLayoutTarget, folder: Path) -> None:
    """Two in this process, and one in another."""
    manifests = numbered(30)
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tests.transfer.test_oci_layout_target import push_numbered\n"
        "asyncio.run(push_numbered(Path(sys.argv[1]), 20))\n"
    )
    command = [sys.executable, "-c", program, str(folder)]
    process = await asyncio.create_subprocess_exec(*command, cwd=PROJECT)
    async with open_target("oci", folder) as other:
        await asyncio.gather(
            *(target.push_manifest("", one, [f"a{i}"]) for i, one in enumerate(manifests)),
            *(other.push_manifest("", one, [f"b{i}"]) for i, one in enumerate(manifests)),
        )
    assert await process.wait() == 0

    assert {tag for tag, _ in names_in(folder)} == {
        *(f"a{number}" for number in range(30)),
        *(f"b{number}" for number in range(30)),
        *(f"c{number}" for number in range(20)),
    }


async def push_numbered(folder: Path, count: int) -> None:
    async with open_target("oci", folder) as target:
        for number, manifest in enumerate(numbered(count)):
            await target.push_manifest("", manifest, [f"c{number}"])


def test_a_process_that_is_killed_leaves_no_wrong_blob(folder: Path) -> None:
    """What it leaves is deleted by the next one that writes; what is in use is not."""
    program = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.transfer.test_oci_layout_target import die_uploading\n"
        "asyncio.run(die_uploading(Path(sys.argv[1])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder], cwd=PROJECT, check=False, timeout=60
    )
    assert done.returncode == -9
    [left] = files_in(folder) - {"oci-layout", "index.json"}
    assert left.startswith(".moorage-")

    async def open_two() -> set[str]:
        async with open_target("oci", folder) as one:
            await one.append_upload(await one.start_upload(""), chunk(LAYER))
            async with open_target("oci", folder):
                return files_in(folder)

    [in_use] = asyncio.run(open_two()) - {"oci-layout", "index.json"}
    assert in_use != left
    assert files_in(folder) == {"oci-layout", "index.json"}


async def die_uploading(folder: Path) -> None:
    async with open_target("oci", folder) as target:
        await target.append_upload(await target.start_upload(""), chunk(LAYER))
        os.kill(os.getpid(), 9)


async def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(FilesError, match="is not empty, and not an OCI image layout"):
        async with open_target("oci", tmp_path):
            pass
    with pytest.raises(FilesError, match=r"Not a directory|File exists"):
        async with open_target("oci", tmp_path / "notes.txt"):
            pass

    assert files_in(tmp_path) == {"notes.txt"}


async def test_a_layout_whose_creation_was_cut_off_is_completed(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    async with open_target("oci", folder) as target:
        assert (await target.list_tags("", ALL)).entries == ()


def blobs_outside(folder: Path, outside: Path) -> None:
    (folder / "blobs").symlink_to(outside)


def algorithm_outside(folder: Path, outside: Path) -> None:
    (folder / "blobs").mkdir()
    (folder / "blobs/sha256").symlink_to(outside)


def index_outside(folder: Path, outside: Path) -> None:
    (folder / "index.json").unlink()
    (folder / "index.json").symlink_to(outside / "file")


@pytest.fixture
def outside(folder: Path, tmp_path: Path) -> Path:
    """A folder with one file, beside an empty layout."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "file").write_text("before")
    folder.mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    return path


@pytest.mark.parametrize("change", [blobs_outside, algorithm_outside, index_outside])
async def test_nothing_is_written_outside_of_the_folder(
    change: Callable[[Path, Path], None], folder: Path, outside: Path
) -> None:
    change(folder, outside)

    async with open_target("oci", folder) as target:
        with pytest.raises(FilesError, match="link"):
            await push_all(target)

    assert files_in(outside) == {"file"}
    assert (outside / "file").read_text() == "before"


async def push_all(target: OciLayoutTarget) -> None:
    for content in (CONFIG, LAYER):
        await push_blob(target, content)
    await target.push_manifest("", IMAGE, ["v1"])


async def test_a_link_in_the_place_of_a_blob_is_replaced_by_it(folder: Path, outside: Path) -> None:
    path = folder / path_of(Digest.of(LAYER))
    path.parent.mkdir(parents=True)
    path.symlink_to(outside / "file")

    async with open_target("oci", folder) as target:
        await push_all(target)

    assert not path.is_symlink()
    assert (outside / "file").read_text() == "before"


async def test_a_folder_in_the_place_of_a_blob_is_named(
    target: OciLayoutTarget, folder: Path
) -> None:
    path = folder / path_of(Digest.of(b"new"))
    path.mkdir()

    with pytest.raises(FilesError, match=f"{path}: Is a directory"):
        await push_blob(target, b"new")
