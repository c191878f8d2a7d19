"""`moorage trash` as users and scripts run it, against Azurite."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry_core.cli.main import main
from registry_core.cli.trash import render
from registry_core.object_store.azure import AzureBlobStore
from registry_core.serve.azurite import ACCOUNT, Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.restoring import Restoring
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.storage.trash import TrashEntry, TrashKind
from tests.support.content import image_manifest, push_image, push_manifest
from tests.support.host import PROJECT
from tests.support.terminal import Terminal

LAYER = b"a layer"
DIGEST = Digest.of(image_manifest(LAYER))
OTHER = Digest.of(image_manifest(b"another layer"))
OLD = datetime.now(UTC) - timedelta(days=5)
ID = r"\d{8}T\d{6}Z-[0-9a-f]{16}"
UNKNOWN = "20261128T094222Z-0123456789abcdef"


@pytest.fixture
def terminal(
    azurite: Azurite,
    container_name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    """A container in whose trash are ``a/b:v1``, for 5 days, and a manifest of ``c`` with tags."""
    terminal = Terminal.on(azurite, container_name, monkeypatch, capsys)

    async def fill(store: AzureBlobStore) -> None:
        before, now = StoredRegistry(store, now=OLD.timestamp), StoredRegistry(store)
        await push_image(before, "a/b", "v1", [LAYER])
        await before.for_caller("alice").delete_tag("a/b", "v1")
        await push_image(now, "c", "v1", [LAYER])
        await push_manifest(now, "c", "v2", image_manifest(LAYER))
        await now.delete_manifest("c", DIGEST)

    terminal.on_storage(fill)
    return terminal


def ids(terminal: Terminal) -> list[str]:
    """Return the ids that a listing shows."""
    return re.findall(rf"(?m)^{ID}", terminal.run("trash", "list")[1])


def current(terminal: Terminal, repository: str, tag: str) -> Digest:
    async def find(store: AzureBlobStore) -> Digest:
        return (await StoredRegistry(store).resolve_manifest(repository, tag)).digest

    return terminal.on_storage(find)


def test_the_trash_is_listed_in_a_line_for_each_deletion(terminal: Terminal) -> None:
    code, out, err = terminal.run("trash", "list")
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    when = f"{OLD:%Y-%m-%d %H:%M}"
    assert re.fullmatch(rf"{ID}  {when}  tag       a/b:v1@{DIGEST}  by alice", first)
    assert re.fullmatch(rf"{ID}  \S+ \S+  manifest  c@{DIGEST} \(v1,v2\)", second)


def test_the_trash_of_some_repositories_is_listed(terminal: Terminal) -> None:
    _, out, _ = terminal.run("trash", "list", "--repository", "a/**")
    assert len(out.splitlines()) == 1
    assert "a/b:v1" in out
    assert terminal.run("trash", "list", "--repository", "x/*") == (0, "the trash is empty\n", "")


def test_the_trash_is_a_document_for_scripts(terminal: Terminal) -> None:
    code, out, err = terminal.run("trash", "list", "--json")
    document: list[dict[str, Any]] = json.loads(out)
    assert (code, err) == (0, "")
    assert document[0] == {
        "id": document[0]["id"],
        "kind": "tag",
        "repository": "a/b",
        "digest": str(DIGEST),
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "size": len(image_manifest(LAYER)),
        "tags": ["v1"],
        "numberOfTags": 1,
        "subject": None,
        "deleted": OLD.replace(microsecond=0).isoformat(),
        "deletedBy": "alice",
        "reason": "",
    }
    assert [each["kind"] for each in document] == ["tag", "manifest"]


@pytest.mark.parametrize("width", [80, 160])
def test_a_table_is_shown_on_a_terminal(terminal: Terminal, width: int) -> None:
    """However narrow it is, ids can be copied."""
    screen, end = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "registry_core", "trash", "list"],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm", "COLUMNS": f"{width}"},
        stdout=end,
        check=True,
    )
    os.close(end)
    drawn = b""
    with contextlib.closing(os.fdopen(screen, "rb", 0)) as reader, contextlib.suppress(OSError):
        while piece := reader.read(4096):
            drawn += piece
    assert b"deleted" in drawn
    assert width < 160 or f"tag a/b:v1@sha256:{DIGEST.hex[:12]}".encode() in drawn
    assert all(ident.encode() in drawn for ident in ids(terminal))


def test_a_terminal_obeys_nothing_that_a_record_says() -> None:
    entry = TrashEntry(
        UNKNOWN, "", OLD, TrashKind.BLOB, "a", DIGEST, deleted_by="\x1b[2J", reason="a\nb"
    )
    line = render([entry])
    assert line.isprintable()
    assert line.endswith("by \N{REPLACEMENT CHARACTER}[2J: a\N{REPLACEMENT CHARACTER}b")


def test_a_deletion_is_undone_by_its_id(terminal: Terminal) -> None:
    _, manifest = ids(terminal)
    code, out, err = terminal.run("trash", "restore", manifest)
    assert (code, err) == (0, "")
    assert out == f"restored: manifest c@{DIGEST}, tags v1, v2\n"
    assert current(terminal, "c", "v2") == DIGEST
    assert manifest not in ids(terminal)


@pytest.mark.parametrize("name", ["c:v1", f"c@{DIGEST}", f"c:v2@{DIGEST}"])
def test_a_deletion_is_undone_by_a_name(terminal: Terminal, name: str) -> None:
    assert terminal.run("trash", "restore", name)[0] == 0
    assert current(terminal, "c", "v1") == DIGEST


def test_several_deletions_are_undone(terminal: Terminal) -> None:
    code, out, _ = terminal.run("trash", "restore", "a/b:v1", "c:v1")
    assert (code, len(out.splitlines())) == (0, 2)
    assert terminal.run("trash", "list") == (0, "the trash is empty\n", "")


def test_a_tag_that_stays_as_it_is_is_said(terminal: Terminal) -> None:
    async def push(store: AzureBlobStore) -> None:
        await push_image(StoredRegistry(store), "c", "v1", [b"another layer"])

    terminal.on_storage(push)
    code, out, _ = terminal.run("trash", "restore", "c:v1")
    assert code == 0
    assert out.splitlines() == [
        f"restored: manifest c@{DIGEST}, tags v2",
        f"  tag v1 stays as it is: it points to {OTHER} by now",
    ]


def test_referrers_come_back_unless_they_are_to_stay(terminal: Terminal) -> None:
    subject = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": str(DIGEST),
        "size": len(image_manifest(LAYER)),
    }
    referrer = image_manifest(LAYER, subject=subject)

    async def delete(store: AzureBlobStore) -> None:
        registry = StoredRegistry(store)
        await push_image(registry, "d", "v1", [LAYER])
        await push_manifest(registry, "d", Digest.of(referrer), referrer)
        await registry.delete_manifest("d", Digest.of(referrer))
        await registry.delete_manifest("d", DIGEST)

    terminal.on_storage(delete)
    _, out, _ = terminal.run("trash", "restore", "d:v1", "--no-referrers")
    assert out == f"restored: manifest d@{DIGEST}, tags v1\n"
    terminal.on_storage(lambda store: StoredRegistry(store).delete_manifest("d", DIGEST))
    _, out, _ = terminal.run("trash", "restore", "d:v1")
    assert out.splitlines()[1] == f"restored: manifest d@{Digest.of(referrer)}"


def test_what_cannot_be_restored_is_one_line_and_the_rest_is_restored(terminal: Terminal) -> None:
    code, out, err = terminal.run("trash", "restore", "a/b:v9", UNKNOWN, "c:v1")
    assert code == 1
    assert out == f"restored: manifest c@{DIGEST}, tags v1, v2\n"
    assert err.splitlines() == [
        "registry: the trash has no deletion of a/b:v9",
        f"registry: the trash has no record {UNKNOWN}: it was restored or purged, or never existed",
    ]


def test_what_is_gone_is_named(terminal: Terminal) -> None:
    terminal.on_storage(lambda store: store.delete(Layout().content(Digest.of(LAYER))))
    _, manifest = ids(terminal)
    assert terminal.fails("trash", "restore", "c:v1") == (
        f"{manifest} cannot be restored: gone: the content of the blob {Digest.of(LAYER)}"
    )


def test_a_damaged_record_is_listed_and_can_be_purged(terminal: Terminal) -> None:
    terminal.on_storage(lambda store: store.put(Layout().trashed(UNKNOWN), b"damaged"))
    code, out, err = terminal.run("trash", "list")
    assert code == 1
    assert re.search(rf"(?m)^{UNKNOWN}  \S+ \S+  damaged$", out)
    assert "damaged records: 1. What they name may be unknown" in err
    line = terminal.fails("trash", "restore", UNKNOWN)
    assert line.startswith(f"{UNKNOWN} is not the record of a deletion")
    assert terminal.run("trash", "purge", UNKNOWN) == (0, "purged: 1 record\n", "")
    assert terminal.run("trash", "list")[0] == 0


def test_what_somebody_else_has_put_into_the_trash_can_be_purged(terminal: Terminal) -> None:
    terminal.on_storage(lambda store: store.put(Layout().trashed("notes.txt"), b"damaged"))
    assert terminal.run("trash", "purge", "notes.txt") == (0, "purged: 1 record\n", "")


def test_records_are_purged_by_their_ids(terminal: Terminal) -> None:
    tag, manifest = ids(terminal)
    assert terminal.run("trash", "purge", tag) == (0, "purged: 1 record\n", "")
    assert ids(terminal) == [manifest]
    line = terminal.fails("trash", "purge", manifest, tag)
    assert line.startswith(f"the trash has no record {tag}")
    assert ids(terminal) == [manifest]


def test_old_records_are_purged(terminal: Terminal) -> None:
    _, manifest = ids(terminal)
    assert terminal.run("trash", "purge", "--older-than", "6d")[1] == "purged: 0 records\n"
    assert terminal.run("trash", "purge", "--older-than", "3d")[1] == "purged: 1 record\n"
    assert ids(terminal) == [manifest]


def test_everything_is_purged(terminal: Terminal) -> None:
    assert terminal.run("trash", "purge", "--all") == (0, "purged: 2 records\n", "")
    assert terminal.run("trash", "list") == (0, "the trash is empty\n", "")


@pytest.mark.parametrize("command", [("restore", "c:v1"), ("purge", "--all")])
def test_a_read_only_registry_changes_nothing(terminal: Terminal, command: list[str]) -> None:
    terminal.environment.setenv("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true")
    line = terminal.fails("trash", *command)
    assert line.startswith("this registry is read-only at present (REGISTRY_STORAGE_MAINTENANCE_RE")
    assert len(ids(terminal)) == 2


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("restore", "a/b"), "'a/b' names a whole repository; add a tag or a digest"),
        (("restore", "A/b:v1"), "'A/b' is not a valid repository name"),
        (("restore", "a@sha256:12"), "sha256 has 64 lowercase hex digits"),
        (("restore",), "the following arguments are required"),
        (("purge", "a/b:v1"), "'a/b:v1' is not an id, as trash list shows them"),
        (("purge", "--older-than", "3"), "'3' is not a duration, such as 12h, 14d or 2w"),
        (("purge",), "name the ids to purge, or --all, or --older-than TIME: one of the three"),
        (("purge", UNKNOWN, "--all"), "one of the three"),
        (("list", "--repository", "A"), "'A'"),
        ((), "the following arguments are required: COMMAND"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_explained_before_storage_is_opened(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(("trash", *arguments))
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "command", [("list",), ("restore", "c:v1"), ("purge", "--all")], ids=" ".join
)
def test_what_is_wrong_with_storage_is_one_line(terminal: Terminal, command: list[str]) -> None:
    """Wrong settings, a missing container, a wrong key."""
    terminal.environment.setenv("REGISTRY_DELETE_RETENTION", "soon")
    line = terminal.fails("trash", *command, code=2)
    assert line.startswith("REGISTRY_DELETE_RETENTION: 'soon' is not a duration")
    terminal.environment.delenv("REGISTRY_DELETE_RETENTION")

    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_CONTAINER", "missing")
    line = terminal.fails("trash", *command, code=3)
    assert line.startswith("the storage account has no container 'missing': create it")
    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_CONTAINER", terminal.container)

    terminal.environment.delenv("REGISTRY_STORAGE_AZURE_CONNECTIONSTRING")
    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_SERVICEURL", terminal.azurite.service_url)
    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_ACCOUNTNAME", ACCOUNT)
    key = b64encode(bytes(64)).decode()
    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_ACCOUNTKEY", key)
    line = terminal.fails("trash", *command, code=3)
    assert line.startswith("storage denies access: check REGISTRY_STORAGE_AZURE_ACCOUNTKEY")


def test_ctrl_c_lets_a_restoration_that_has_begun_finish_and_begins_no_other(
    terminal: Terminal,
) -> None:
    restore = Restoring.restore

    async def interrupted(*arguments: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return await restore(*arguments, **options)

    terminal.environment.setattr(Restoring, "restore", interrupted)
    try:
        line = terminal.fails("trash", "restore", "c:v1", "a/b:v1", code=130)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert line == "interrupted"
    assert current(terminal, "c", "v1") == DIGEST
    assert len(ids(terminal)) == 1
