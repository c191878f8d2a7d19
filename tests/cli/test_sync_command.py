"""`sync` between registries of ours, as people and scripts run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.access_modes import password

from .commands import run_on_terminal
from .registries import DIGEST, Running, Shell

pytestmark = [pytest.mark.hosts, pytest.mark.usefixtures("docker_config")]


def test_a_document_is_carried_out_and_a_second_run_copies_nothing(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    location = source.push(repository, "v1", "v2", "latest")
    copy = f"{target.authority}/{repository}"
    file = tmp_path / "sync.toml"
    file.write_text(
        f'[[sync]]\nsource = "{location}"\ntarget = "{copy}"\ntags = ["v*"]\n'
        f'[[sync]]\nsource = "{location}:v1"\ntarget = "{copy}/one"\n'
    )
    assert "tags 2 set, 0 as before" in shell.run("sync", "--dry-run", str(file))
    assert target.digest(repository) is None
    first, second = shell.run("sync", str(file)).splitlines()
    assert first == (
        f"{location} -> {copy}: tags 2 set, 0 as before; "
        "manifests 1 copied (410 bytes); blobs 2 copied (44 bytes)"
    )
    assert second == (
        f"{location}:v1 -> {copy}/one: tags 1 set, 0 as before; "
        "manifests 1 copied (410 bytes); blobs 2 mounted"
    )
    assert target.digest(repository, "v2") == target.digest(f"{repository}/one") == DIGEST
    assert target.digest(repository, "latest") is None
    for line in shell.run("sync", str(file)).splitlines():
        assert "tags 0 set" in line
        assert "copied" not in line
    document = json.loads(shell.run("sync", "--json", str(file)))
    assert [entry["line"] for entry in document["entries"]] == [1, 5]


def test_the_result_can_be_piped_while_progress_is_shown(
    source: Running, target: Running, repository: str, tmp_path: Path
) -> None:
    location = source.push(repository, "v1")
    copy = f"{target.authority}/{repository}"
    file = tmp_path / "sync.toml"
    file.write_text(f'[[sync]]\nsource = "{location}"\ntarget = "{copy}"\ntags = ["*"]\n')
    printed, drawn = run_on_terminal({}, "sync", str(file))
    assert printed.startswith(f"{location} -> {copy}: tags 1 set")
    assert location in drawn


def test_a_tag_that_is_the_same_costs_a_request_on_each_side(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    location = source.push(repository, "v1", "v2")
    copy = f"{target.authority}/{repository}"
    file = tmp_path / "sync.toml"
    file.write_text(f'[[sync]]\nsource = "{location}"\ntarget = "{copy}"\ntags = ["*"]\n')
    shell.run("sync", str(file))
    with source.requests() as of_source, target.requests() as of_target:
        shell.run("sync", str(file))
    operations = ["ListTags", "HeadManifest", "HeadManifest"]
    assert [request.operation for request in of_source] == operations
    assert [request.operation for request in of_target] == operations[1:]


def test_an_entry_that_fails_is_reported_and_the_others_are_copied(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    location = source.push(repository, "v1")
    copy = f"{target.authority}/{repository}"
    file = tmp_path / "sync.toml"
    file.write_text(
        f'[[sync]]\nsource = "{location}:lost"\ntarget = "{copy}"\n'
        f'[[sync]]\nsource = "{location}:v1"\ntarget = "{copy}"\n'
    )
    code, out, err = shell.outcome("sync", str(file))
    assert code == 1
    what, summary = err.splitlines()
    assert what.startswith(
        f"registry: line 1: {location}:lost: {location} does not have the manifest lost"
    )
    assert summary == "registry: 1 of 2 entries could not be copied completely"
    assert target.digest(repository) == DIGEST
    assert f"{location}:v1 -> {copy}: tags 1 set" in out


def test_a_registry_that_cannot_be_accessed_as_described_stops_no_other_entry(
    source: Running, target: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    location = source.push(repository, "v1")
    copy = f"{target.authority}/{repository}"
    file = tmp_path / "sync.toml"
    file.write_text(
        f'[[sync]]\nsource = "registry.invalid/app:v1"\ntarget = "{copy}"\n'
        f'[[sync]]\nsource = "{location}:v1"\ntarget = "{copy}"\n'
        '[registries."registry.invalid"]\nca = "missing.pem"\n'
    )
    code, out, err = shell.outcome("sync", str(file))
    assert code == 1
    assert err.startswith("registry: line 1: registry.invalid/app:v1: missing.pem is not a file")
    assert f"{location}:v1 -> {copy}: tags 1 set" in out
    assert target.digest(repository) == DIGEST


def test_the_logins_of_a_document_are_used(
    source: Running, private: Running, repository: str, shell: Shell, tmp_path: Path
) -> None:
    location = source.push(repository, "v1")
    secret = tmp_path / "password"
    secret.write_text(password("alice"))
    file = tmp_path / "sync.toml"
    file.write_text(
        f'[[sync]]\nsource = "{location}:v1"\ntarget = "{private.authority}/{repository}"\n'
        f'[registries."{private.authority}"]\nusername = "alice"\npassword_file = "{secret}"\n'
    )
    shell.run("sync", str(file))
    assert private.digest(repository) == DIGEST
