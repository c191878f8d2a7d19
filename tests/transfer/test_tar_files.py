"""Members of tar archives, honest and hostile ones."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_core.transfer import compression, tar_files
from registry_core.transfer.local_files import FilesError
from registry_core.transfer.tar_files import TarFiles
from tests.support.local_images import Members, link, write_tar


def read(archive: Path, name: str) -> bytes:
    with TarFiles.of(archive) as files, files.open(name) as file:
        return file.read_all(2**20)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_read_where_they_lie(mode: str, form: int, tmp_path: Path) -> None:
    long_name = "a" * 90 + "/" + "b" * 90
    with tarfile.open(tmp_path / "a", mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in {"./one": b"1" * 700, long_name: b"2", "empty": b""}.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))

    assert read(tmp_path / "a", "one") == b"1" * 700
    assert read(tmp_path / "a", long_name) == b"2"
    assert read(tmp_path / "a", "empty") == b""


def test_a_stream_is_read_as_well() -> None:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("one"))

    with TarFiles.of(io.BytesIO(output.getvalue())) as files:
        assert "one" in files


def test_links_lead_to_other_members(tmp_path: Path) -> None:
    members: Members = {
        "a/layer.tar": b"layer",
        "b/layer.tar": link("../a/layer.tar"),
        "c": link("a/layer.tar", tarfile.LNKTYPE),
        "d": link("b/layer.tar"),
    }

    archive = write_tar(tmp_path / "a", members)

    assert {read(archive, name) for name in members} == {b"layer"}


@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "..", "a/../../b"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_out_of_the_archive_is_refused(target: str, kind: bytes, tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a", {"one": link(target, kind)})

    with pytest.raises(FilesError, match="leads out of the archive"):
        read(archive, "one")


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a", {"one": link("two"), "two": link("one")})

    with pytest.raises(FilesError, match="a link to itself"):
        read(archive, "one")


@pytest.mark.parametrize("name", ["../one", "/one", "a/../../one"])
def test_names_that_lead_out_of_the_archive_are_nobodys(name: str, tmp_path: Path) -> None:
    with TarFiles.of(write_tar(tmp_path / "a", {name: b"x", "two": b"2"})) as files:
        assert name not in files
        assert "one" not in files
        assert "two" in files


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a", {"blobs": link("/etc"), "other": b""})

    with pytest.raises(FileNotFoundError):
        read(archive, "blobs/passwd")


@pytest.mark.parametrize(
    "kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE]
)
def test_devices_and_sparse_members_are_refused(kind: bytes, tmp_path: Path) -> None:
    header = tarfile.TarInfo()
    header.type = kind

    with pytest.raises(FilesError, match="is not a regular file"):
        read(write_tar(tmp_path / "a", {"one": header}), "one")


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """What others read as the first one or the last one has two meanings."""
    archive = write_tar(tmp_path / "a", {"index.json": b"1", "./index.json": b"2", "other": b""})

    with pytest.raises(FilesError, match="more than once"):
        read(archive, "index.json")
    assert read(archive, "other") == b""


def lie(archive: Path, size: bytes) -> None:
    """Replace the size in the header of the only member, and its checksum."""
    content = bytearray(archive.read_bytes())
    content[124:136] = size
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    archive.write_bytes(content)


def base_256(number: int) -> bytes:
    return (number % 256**12).to_bytes(12, "big") if number < 0 else b"\x80" + number.to_bytes(11)


@pytest.mark.parametrize(
    "size", [b"%011o\0" % 10**7, base_256(2**60), base_256(-512), base_256(-(2**40))]
)
def test_a_member_whose_size_is_a_lie_is_refused(size: bytes, tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a", {"one": b"1"})
    lie(archive, size)

    with pytest.raises(FilesError):
        TarFiles.of(archive)


def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a", {"one": b"1" * 10_000})
    os.truncate(archive, 5000)

    with pytest.raises(FilesError, match=r"cut off|damaged"):
        TarFiles.of(archive)


@pytest.mark.parametrize("size", [2 * 2**20, 4 * 2**30])
def test_a_header_that_is_far_too_long_is_not_read(size: int, tmp_path: Path) -> None:
    """Its file has holes, so it takes no space."""
    archive = tmp_path / "a"
    header = tarfile.TarInfo("one")
    header.type, header.size = tarfile.XHDTYPE, size
    archive.write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    os.truncate(archive, 5 * 2**30)

    with pytest.raises(FilesError, match="headers that are too long"):
        TarFiles.of(archive)


def test_long_names_that_follow_each_other_for_ever_are_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("one")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    (tmp_path / "a").write_bytes((header.tobuf(tarfile.GNU_FORMAT) + bytes(512)) * 5000)

    with pytest.raises(FilesError, match="damaged"):
        TarFiles.of(tmp_path / "a")


def test_an_archive_of_too_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_files, "_MAX_MEMBERS", 10)

    with pytest.raises(FilesError, match="more than 10 members"):
        TarFiles.of(write_tar(tmp_path / "a", {str(number): b"" for number in range(11)}))


def test_an_archive_that_expands_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "_UNSUSPICIOUS", 2**20)
    (tmp_path / "a").write_bytes(gzip.compress(bytes(10 * 2**20)))

    with pytest.raises(FilesError, match="expands to more than 200 times its size"):
        TarFiles.of(tmp_path / "a")


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    return content[:-8] + bytes([content[-8] ^ 1]) + content[-7:]


@pytest.mark.parametrize("damage", [cut, flipped])
def test_a_damaged_gzip_archive_is_refused(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    archive = write_tar(tmp_path / "a", {"one": os.urandom(10_000)}, "w:gz")
    archive.write_bytes(damage(archive.read_bytes()))

    with pytest.raises(FilesError, match="is damaged"):
        TarFiles.of(archive)


@pytest.mark.parametrize(
    "magic, name", [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"BZh9", "bzip2")]
)
def test_another_compression_is_refused_by_its_name(
    magic: bytes, name: str, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(magic + bytes(1000))

    with pytest.raises(FilesError, match=f"compressed with {name}; only gzip is supported"):
        TarFiles.of(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"no archive", b"x" * 10_000])
def test_what_is_not_an_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)

    with pytest.raises(FilesError, match="not a tar archive"):
        TarFiles.of(tmp_path / "a")


def test_a_missing_archive_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FilesError, match="No such file"):
        TarFiles.of(tmp_path / "missing")
    with pytest.raises(FilesError, match="Is a directory"):
        TarFiles.of(tmp_path)
