"""`python -m registry_core doctor` as users and scripts run it, against Azurite."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from registry_core.cli.progress import format_quantity
from registry_core.cli.storage_errors import explain
from registry_core.config import AzureStorage
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import container_client, everything_in, opened, write_append_blob
from tests.support.content import image_manifest, push_image
from tests.support.refusing_storage import RefusingStorage

from .commands import COMMAND, by_key, environment, run, run_on_terminal, url_of

pytestmark = pytest.mark.anyio

LAYER = b"a layer"
MANIFEST = Digest.of(image_manifest(LAYER))


def run_doctor(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(settings, "doctor", *arguments)


def report_of(settings: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """Return the JSON document that the command prints."""
    document: dict[str, Any] = json.loads(run_doctor(settings, "--json", *arguments).stdout)
    return document


async def fill(azurite: Azurite, container: str, root: str = "") -> None:
    async with opened(azurite, container) as store:
        registry = StoredRegistry(store, root=root)
        await push_image(registry, "a/b", "v1", [LAYER])
        await push_image(registry, "c", "v1", [b"another"])


async def test_an_empty_container_is_healthy(settings: dict[str, str]) -> None:
    ran = run_doctor(settings)
    container = settings["REGISTRY_STORAGE_AZURE_CONTAINER"]
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        0,
        f"container {container}: empty\nhealthy\n",
        "",
    )


@pytest.mark.parametrize("root", ["", "/"])
async def test_a_healthy_container_is_counted(
    azurite: Azurite, container_name: str, settings: dict[str, str], root: str
) -> None:
    await fill(azurite, container_name, root)
    ran = run_doctor(settings, "--verify")
    assert (ran.returncode, ran.stderr) == (0, "")
    form = "with" if root else "without"
    lines = ran.stdout.splitlines()
    assert lines[0] == f"container {container_name}: names {form} a leading slash"
    assert "repositories 2, manifests 2, tags 2" in lines
    assert any(line.startswith("hashed: 5, ") for line in lines)
    assert lines[-1] == "healthy"


async def test_problems_are_found_and_repaired(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    """Append blobs in place of links, a missing marker and a torn link; a dangling tag remains."""
    await fill(azurite, container_name)
    layout = Layout()
    with container_client(azurite, container_name) as client:
        for path in (
            layout.tag_link("a/b", "v1"),
            layout.tag_index_link("a/b", "v1", MANIFEST),
            layout.revision_link("a/b", MANIFEST),
            layout.blob_link("a/b", Digest.of(LAYER)),
        ):
            content = client.download_blob(path).readall()
            client.delete_blob(path)
            write_append_blob(azurite, container_name, path, content)
        client.delete_blob(layout.catalog_marker("c"))
        client.upload_blob(layout.blob_link("c", Digest.of(b"another")), b"torn", overwrite=True)
        client.upload_blob(layout.tag_link("c", "lost"), str(Digest.of(b"gone")).encode())
    ran = run_doctor(settings)
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1] == "problems remaining: 7 (6 can be repaired with --repair)"

    ran = run_doctor(settings, "--repair")
    assert ran.returncode == 1
    assert [line for line in ran.stdout.splitlines() if line.endswith("repaired")] == [
        f"{name}: {found}, {found} repaired"
        for name, found in (("link-torn", 1), ("link-append-blob", 4), ("marker-missing", 1))
    ]
    assert {blob.kind for blob in everything_in(azurite, container_name)} == {"BlobType.BLOCKBLOB"}

    document = report_of(settings)
    assert document["problems"] == {"tag-dangling": {"found": 1, "repaired": 0}}
    assert (document["healthy"], document["complete"]) == (False, True)
    digest, path = Digest.of(b"gone"), layout.tag_link("c", "lost")
    assert document["findings"] == [
        {
            "problem": "tag-dangling",
            "path": path,
            "message": f"tag lost: its manifest {digest} is missing",
            "repository": "c",
            "repairable": False,
            "repaired": "",
        }
    ]


@pytest.mark.parametrize("damaged", [LAYER.upper(), b""], ids=["altered", "emptied"])
@pytest.mark.parametrize("append", [False, True])
async def test_damaged_content_is_found_by_hashing_and_moved_away(
    azurite: Azurite,
    container_name: str,
    settings: dict[str, str],
    damaged: bytes,
    *,
    append: bool,
) -> None:
    """Then it can be pushed again."""
    await fill(azurite, container_name)
    path = Layout().content(Digest.of(LAYER))
    with container_client(azurite, container_name) as client:
        client.delete_blob(path)
        if append:
            pieces = [damaged] if damaged else []  # nothing cannot be appended
            write_append_blob(azurite, container_name, path, *pieces)
        else:
            client.upload_blob(path, damaged)
    arguments = ["--verify", "--grace", "0"]
    document = report_of(settings, *arguments)
    assert [finding["path"] for finding in document["findings"]] == [path]
    assert document["verified"]["number"] == 5

    ran = run_doctor(settings, *arguments, "--repair")
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1] == "problems remaining: 1"
    with container_client(azurite, container_name) as client:
        prefix = f"{Layout().base}_quarantine/"
        [moved] = client.list_blob_names(name_starts_with=prefix)
        assert client.download_blob(moved).readall() == damaged
    async with opened(azurite, container_name) as store:
        await push_image(StoredRegistry(store), "a/b", "v1", [LAYER])
    assert run_doctor(settings, *arguments).returncode == 0


async def test_part_of_the_content_is_verified(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    digest = str(Digest.of(LAYER))
    verified = report_of(settings, "--verify", digest)["verified"]
    assert verified == {"number": 1, "bytes": len(LAYER)}


async def test_what_storage_has_besides_objects_is_shown(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    """Uncommitted blocks, and where objects are kept."""
    await fill(azurite, container_name)
    layout = Layout()
    with container_client(azurite, container_name) as client:
        absent = client.get_blob_client(layout.content(Digest.of(b"absent")))
        absent.stage_block(f"{1:023}", b"12345")
        present = client.get_blob_client(layout.content(Digest.of(LAYER)))
        present.stage_block(f"{1:023}", b"678")
        present.set_standard_blob_tier("Cool")
    ran = run_doctor(settings)
    lines = ran.stdout.splitlines()
    assert ran.returncode == 0
    assert any(line.startswith("access tiers: Cool 1 (7 bytes), Hot ") for line in lines)
    [blocks] = [line for line in lines if line.startswith("uncommitted")]
    assert "of content: 1, 5 bytes, paths: 1;" in blocks
    document = report_of(settings, "--verify")
    assert document["uncommitted"] == {"content": {"paths": 2, "blocks": 2, "bytes": 8}}
    assert document["tiers"]["Cool"] == {"number": 1, "bytes": len(LAYER)}


async def test_an_account_with_a_hierarchical_namespace_is_refused_at_once(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    with RefusingStorage(azurite) as storage:
        storage.headers = {"x-ms-is-hns-enabled": "true"}
        direct = f"127.0.0.1:{azurite.port}"
        connection = azurite.connection_string.replace(direct, storage.authority)
        settings |= {"REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": connection}
        ran = run_doctor(settings, "--repair")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (3, "", 1)
    assert "hierarchical namespace" in ran.stderr


async def test_a_container_that_forbids_changes_is_reported(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    await fill(azurite, container_name)
    with RefusingStorage(azurite) as storage:
        storage.headers = {"x-ms-has-immutability-policy": "true", "x-ms-has-legal-hold": "true"}
        direct = f"127.0.0.1:{azurite.port}"
        connection = azurite.connection_string.replace(direct, storage.authority)
        settings |= {"REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": connection}
        ran = run_doctor(settings)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "the container has an immutability policy: tags cannot move" in ran.stdout
    assert "the container has a legal hold: tags cannot move" in ran.stdout


async def test_progress_bars_are_shown_on_a_terminal(
    azurite: Azurite, container_name: str, settings: dict[str, str]
) -> None:
    """On standard error, so that the report can be piped."""
    await fill(azurite, container_name)
    printed, drawn = run_on_terminal(settings, "doctor", "--verify", "--json")
    assert "listing" in drawn
    assert "verifying" in drawn
    assert json.loads(printed)["healthy"]


async def test_a_missing_container_is_one_line(settings: dict[str, str]) -> None:
    ran = run_doctor(settings | {"REGISTRY_STORAGE_AZURE_CONTAINER": "missing"})
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        3,
        "",
        (
            "registry: the storage account has no container 'missing': "
            "create it, or correct REGISTRY_STORAGE_AZURE_CONTAINER\n"
        ),
    )


async def test_a_wrong_key_is_one_line(azurite: Azurite, container_name: str) -> None:
    ran = run_doctor(by_key(container_name, azurite.service_url))
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (3, "", 1)
    assert ran.stderr.startswith(
        "registry: storage denies access: check REGISTRY_STORAGE_AZURE_ACCOUNTKEY ("
    )


async def test_unreachable_storage_is_one_line_and_in_the_document() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = url_of(server)
    ran = run_doctor(by_key("registry", url), "--json")
    assert (ran.returncode, ran.stderr.count("\n")) == (3, 1)
    document = json.loads(ran.stdout)
    assert (document["complete"], document["healthy"]) == (False, False)
    assert document["stopped"].startswith("storage cannot be reached: check ")
    assert "REGISTRY_STORAGE_AZURE_SERVICEURL" in document["stopped"]


@pytest.mark.parametrize(
    "settings, arguments, message",
    [
        ({}, [], "REGISTRY_STORAGE_AZURE_CONTAINER is missing; name a container"),
        ({}, ["--grace", "soon"], "argument --grace: 'soon' is not a number"),
        ({}, ["--repiar"], "unrecognized arguments: --repiar"),
        ({}, ["--verify", "sha256"], "'sha256' is not the beginning of a digest"),
        ({}, ["--verify", "sha256:x"], "'sha256:x' is not the beginning of a digest"),
    ],
)
def test_wrong_usage_is_explained(
    settings: dict[str, str], arguments: list[str], message: str
) -> None:
    ran = run_doctor(settings, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


async def test_ctrl_c_ends_it_with_a_report_of_what_is_known_so_far() -> None:
    """Storage has accepted the connection and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        process = subprocess.Popen(
            [*COMMAND, "doctor", "--json"],
            env=environment(by_key("registry", url_of(server))),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = server.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            printed, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "registry: interrupted\n")
    assert json.loads(printed)["stopped"] == "interrupted"


@pytest.mark.parametrize(
    "error, storage, advice",
    [
        ("list_page : 404 ContainerNotFound (request 1)", {}, "correct REGISTRY_STORAGE_AZURE_CON"),
        (
            "list_page : 403 AuthorizationPermissionMismatch (request 1)",
            {},
            "Blob Data Contributor",
        ),
        (
            "list_page : 403 X (request 1)",
            {"account_key": "k"},
            "REGISTRY_STORAGE_AZURE_ACCOUNTKEY",
        ),
        ("list_page : 403 X (request 1)", {"connection_string": "c"}, "AZURE_CONNECTIONSTRING"),
        ("no token for the identity", {}, "set REGISTRY_STORAGE_AZURE_ACCOUNTKEY"),
        ("list : 409 BlobArchived (request 1): rehydrate it", {}, "cannot be used (list : 409"),
        ("the account a has a hierarchical namespace", {}, "cannot be used (the account a has"),
        ("list_page : 503, but not from storage", {}, "check REGISTRY_STORAGE_AZURE_ACCOUNTNAME"),
        ("list_page : no answer in 100 s", {"connection_string": "c"}, "AZURE_CONNECTIONSTRING"),
    ],
)
def test_a_storage_error_names_the_setting_to_check_or_what_storage_says(
    error: str, storage: dict[str, str], advice: str
) -> None:
    assert advice in explain(error, AzureStorage("registry", **storage))


@pytest.mark.parametrize(
    "number, unit, text",
    [
        (1234, "objects", "1,234 objects"),
        (1023, "bytes", "1023 bytes"),
        (1536, "bytes", "1.5 KiB"),
        (5 * 2**50, "bytes", "5120.0 TiB"),
    ],
)
def test_quantities_are_readable(number: int, unit: str, text: str) -> None:
    assert format_quantity(number, unit) == text
