"""`copy` between registries of ours, layouts and archives, as people and scripts run it."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import httpx
import pytest

from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from tests.support.azurite import container_client
from tests.support.content import image_manifest, random_bytes

from .commands import COMMAND, environment, run_on_terminal
from .registries import DIGEST, LAYER, Running, Shell

pytestmark = [pytest.mark.hosts, pytest.mark.usefixtures("docker_config")]


def test_an_image_is_copied_and_a_second_time_it_is_there(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{target.authority}/{repository}"
    assert shell.run("copy", image, copy).splitlines() == [
        f"{copy}:v1 points to {DIGEST}",
        "manifests 1 copied (410 bytes); blobs 2 copied (44 bytes)",
    ]
    assert target.digest(repository) == DIGEST
    assert shell.run("copy", image, copy).splitlines()[0] == (
        f"{copy}:v1 points to {DIGEST}, as before"
    )


def test_the_report_is_a_document(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{target.authority}/{repository}:v2"
    report = json.loads(shell.run("copy", "--json", image, copy))
    assert report["tags"] == {"v2": str(DIGEST)}
    assert report["blobs"]["copied"] == {"number": 2, "bytes": 44}
    assert target.digest(repository, "v2") == DIGEST


def test_a_dry_run_reports_and_writes_nothing(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{target.authority}/{repository}"
    printed = shell.run("copy", "--dry-run", image, copy)
    assert f"{copy}:v1 would point to {DIGEST}" in printed
    assert "dry run, nothing is written: manifests 1 copied" in printed
    assert target.digest(repository) is None


def test_a_dry_run_creates_no_layout_and_no_archive(
    source: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    for target in (f"oci:{tmp_path}/new", f"docker-archive:{tmp_path}/image.tar"):
        assert "blobs 2 copied (44 bytes)" in shell.run("copy", "--dry-run", image, target)
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "image.tar").exists()
    shell.run("copy", image, f"oci:{tmp_path}/layout")
    before = (tmp_path / "layout/index.json").read_bytes()
    said = shell.run("copy", "--dry-run", image, f"oci:{tmp_path}/layout:v2")
    assert "blobs 2 already there" in said
    assert (tmp_path / "layout/index.json").read_bytes() == before


def test_a_large_layer_goes_straight_to_storage(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1', layer=random_bytes(9 * 2**20))}:v1"
    with target.requests() as requests:
        shell.run("copy", image, f"{target.authority}/{repository}")
    assert sum(request.received for request in requests) < 10_000
    assert target.digest(repository) == source.digest(repository)


def test_a_tag_is_copied_to_another_one_of_the_same_repository(
    source: Running, repository: str, shell: Shell
) -> None:
    location = source.push(repository, "v1")
    printed = shell.run("copy", f"{location}:v1", f"{location}:v2")
    assert printed.startswith(f"{location}:v2 points to {DIGEST}\n")
    assert "copied (44 bytes)" not in printed
    assert source.digest(repository, "v2") == DIGEST


def test_within_a_registry_blobs_are_mounted(
    source: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    printed = shell.run("copy", image, f"{source.authority}/{repository}/copy")
    assert "blobs 2 mounted" in printed
    assert source.digest(f"{repository}/copy") == DIGEST


def test_a_manifest_is_copied_by_its_digest_without_a_tag_or_with_one(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}@{DIGEST}"
    copy = f"{target.authority}/{repository}"
    assert shell.run("copy", image, copy).startswith(f"{copy}@{DIGEST}\n")
    assert target.digest(repository) is None
    shell.run("copy", image, f"{copy}:v3")
    assert target.digest(repository, "v3") == DIGEST


def test_all_tags_are_copied_and_one_that_fails_stops_no_other(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    location = source.push(repository, "v1", "v2")
    source.push(repository, "broken", layer=b"lost")
    lost = Digest.of(image_manifest(b"lost"))
    with container_client(source.azurite, source.container) as client:
        client.delete_blob(Layout().content(lost))
    copy = f"{target.authority}/{repository}"
    code, out, err = shell.outcome("copy", "--all-tags", location, copy)
    assert code == 1
    assert f"{copy}:v1 points to {DIGEST}\n{copy}:v2 points to {DIGEST}\n" in out
    assert err.startswith(f"registry: {copy}:broken was not copied: ")
    assert err.count("\n") == 1


def test_what_a_manifest_of_the_target_lacks_is_found_with_recheck(
    source: Running, target: Running, repository: str, shell: Shell
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    copy = f"{target.authority}/{repository}"
    shell.run("copy", image, copy)
    layer = f"http://{target.authority}/v2/{repository}/blobs/{Digest.of(LAYER)}"
    httpx.delete(layer).raise_for_status()
    assert "copied" not in shell.run("copy", image, copy)
    assert "blobs 1 copied (7 bytes), 1 already there" in shell.run(
        "copy", "--recheck", image, copy
    )
    httpx.head(layer).raise_for_status()


def test_through_a_layout_and_an_archive_the_digest_stays(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    layout, archive = f"oci:{tmp_path}/layout", f"oci-archive:{tmp_path}/image.tar"
    shell.run("copy", image, layout)
    shell.run("copy", layout, archive)
    shell.run("copy", f"{archive}:v1", f"{target.authority}/{repository}")
    assert target.digest(repository) == DIGEST


def test_a_docker_archive_names_the_image_that_was_copied(
    source: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    shell.run("copy", image, f"docker-archive:{tmp_path}/image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        listed = archive.extractfile("manifest.json")
        assert listed is not None
        assert json.load(listed)[0]["RepoTags"] == [image]


@pytest.mark.parametrize("path", ["-", "/dev/stdout"])
def test_an_archive_goes_to_standard_output_and_the_report_elsewhere(
    path: str, source: Running, repository: str
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    ran = subprocess.run(
        [*COMMAND, "copy", image, f"oci-archive:{path}"],
        env=environment({}),
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        assert "index.json" in archive.getnames()
    assert f"points to {DIGEST}" in ran.stderr.decode()


def test_progress_is_shown_on_a_terminal_unless_it_should_be_quiet(
    source: Running, target: Running, repository: str
) -> None:
    image = f"{source.push(repository, 'v1')}:v1"
    printed, drawn = run_on_terminal({}, "copy", image, f"{target.authority}/{repository}/a")
    assert repository in drawn
    assert str(DIGEST) in printed
    quiet = ("copy", "--quiet", image, f"{target.authority}/{repository}/b")
    assert run_on_terminal({}, *quiet)[1] == ""
