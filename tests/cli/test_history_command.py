"""`moorage history` and `moorage tag` as users and scripts run them, against Azurite."""

from __future__ import annotations

import json
import os
import re
import signal
from base64 import b64encode
from typing import Any, TypeVar

import pytest

from registry_core.cli.main import main
from registry_core.object_store.azure import AzureBlobStore
from registry_core.serve.azurite import ACCOUNT, Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, push_image, push_manifest
from tests.support.terminal import Terminal

T = TypeVar("T")
FIRST, SECOND = (Digest.of(image_manifest(layer)) for layer in (b"a layer", b"another layer"))
MISSING = Digest.of(b"missing")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
def terminal(
    azurite: Azurite,
    container_name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    """A container in which ``a/b:v1`` was moved from FIRST to SECOND; settings of storage alone."""
    terminal = Terminal.on(azurite, container_name, monkeypatch, capsys)

    async def fill(store: AzureBlobStore) -> None:
        now = 1_700_000_000.0
        registry = StoredRegistry(store, now=lambda: now)
        await push_image(registry, "a/b", "v1", [b"a layer"])
        now += 60
        await push_image(registry, "a/b", "v1", [b"another layer"])

    terminal.on_storage(fill)
    return terminal


def test_the_history_is_a_line_for_each_manifest(terminal: Terminal) -> None:
    code, out, err = terminal.run("history", "a/b:v1")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "a/b:v1",
        f"* 2023-11-14T22:14:20Z  {SECOND}  here          linux/amd64",
        f"  2023-11-14T22:13:20Z  {FIRST}  here          linux/amd64",
    ]


def test_the_history_says_what_is_in_the_trash_and_what_is_gone(terminal: Terminal) -> None:
    async def delete(store: AzureBlobStore) -> str:
        registry = StoredRegistry(store)
        await registry.delete_manifest("a/b", FIRST)
        [entry] = [entry async for entry in registry.trash.list("a/b")]
        return entry.id

    record = terminal.on_storage(delete)
    _, out, _ = terminal.run("history", "a/b:v1")
    assert out.splitlines()[2].endswith(f"{FIRST}  in the trash  {record}")

    async def purge(store: AzureBlobStore) -> None:
        await store.delete(Layout().trashed(record))

    terminal.on_storage(purge)
    _, out, _ = terminal.run("history", "a/b:v1")
    assert out.splitlines()[2].endswith(f"{FIRST}  gone")


def test_what_a_manifest_says_of_itself_does_not_control_the_terminal(terminal: Terminal) -> None:
    """Whoever may push chooses it."""
    document = json.loads(image_manifest(b"a layer")) | {"artifactType": "a/\x1b[2J\u202eb\n"}
    manifest = json.dumps(document).encode()

    async def push(store: AzureBlobStore) -> None:
        await push_manifest(StoredRegistry(store, require_blobs=False), "c", "v1", manifest)

    terminal.on_storage(push)
    _, out, _ = terminal.run("history", "c:v1")
    assert out.splitlines()[1].endswith("  a/\ufffd[2J\ufffdb\ufffd")


def test_the_history_is_a_document_for_scripts(terminal: Terminal) -> None:
    code, out, err = terminal.run("history", "a/b:v1", "--json")
    document: dict[str, Any] = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["repository"], document["tag"]) == ("a/b", "v1")
    current, earlier = document["history"]
    manifest = image_manifest(b"another layer")
    assert current == {
        "digest": str(SECOND),
        "set": "2023-11-14T22:14:20Z",
        "current": True,
        "state": "here",
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "platform": "linux/amd64",
        "size": len(manifest),
        "contentSize": len(manifest) + len(CONFIG) + len(b"another layer"),
        "pushed": "2023-11-14T22:14:20Z",
    }
    assert (earlier["digest"], earlier["current"]) == (str(FIRST), False)


def test_a_tag_is_set_back(terminal: Terminal) -> None:
    code, out, err = terminal.run("tag", f"a/b:v1@{FIRST}")
    assert (code, out, err) == (0, f"a/b:v1 points to {FIRST}; it pointed to {SECOND}\n", "")
    assert terminal.current() == FIRST
    _, out, _ = terminal.run("history", "a/b:v1")
    lines = [re.sub(TIME, "TIME", line) for line in out.splitlines()[1:]]
    assert lines[0].startswith(f"* TIME  {FIRST}")
    assert lines[1].startswith(f"  TIME  {SECOND}")


def test_a_new_tag_is_set(terminal: Terminal) -> None:
    code, out, _ = terminal.run("tag", f"a/b:stable@{FIRST}")
    assert (code, out) == (0, f"a/b:stable points to {FIRST}; it is a new tag\n")
    assert terminal.current("stable") == FIRST


def test_a_tag_that_is_right_already_stays(terminal: Terminal) -> None:
    code, out, _ = terminal.run("tag", f"a/b:v1@{SECOND}")
    assert (code, out) == (0, f"a/b:v1 points to {SECOND}, as before\n")


def test_a_tag_is_moved_only_from_where_it_is_expected(terminal: Terminal) -> None:
    moving = ("tag", f"a/b:v1@{FIRST}", "--expect")
    assert terminal.fails(*moving, str(MISSING)) == (
        f"a/b:v1 points to {SECOND}, not to {MISSING}; nothing was changed"
    )
    assert terminal.current() == SECOND
    assert terminal.run(*moving, str(SECOND))[0] == 0
    assert terminal.current() == FIRST
    assert terminal.fails("tag", f"a/b:new@{FIRST}", "--expect", str(SECOND)) == (
        "a/b:new does not exist; nothing was changed"
    )


@pytest.mark.parametrize("repository", ["a/b", "unknown"])
def test_a_manifest_that_the_repository_lacks_is_not_tagged(
    terminal: Terminal, repository: str
) -> None:
    assert terminal.fails("tag", f"{repository}:v1@{MISSING}") == (
        f"the repository {repository} has no manifest {MISSING}; `history {repository}:v1` shows "
        "what the tag has pointed to"
    )


def test_a_manifest_that_lacks_a_blob_is_not_tagged(terminal: Terminal) -> None:
    missing = Digest.of(b"a layer")

    async def delete(store: AzureBlobStore) -> None:
        await StoredRegistry(store).delete_blob("a/b", missing)

    terminal.on_storage(delete)
    assert terminal.fails("tag", f"a/b:v1@{FIRST}") == (
        f"{FIRST} cannot be tagged in a/b: manifest references a manifest or blob unknown to "
        f"registry: {missing}"
    )
    assert terminal.current() == SECOND


def test_an_immutable_tag_is_not_moved(terminal: Terminal) -> None:
    terminal.environment.setenv("REGISTRY_TAGS_IMMUTABLE", "a/b:v*")
    line = terminal.fails("tag", f"a/b:v1@{FIRST}")
    assert line.startswith(f"tag v1 of a/b is immutable and points to {SECOND}")
    assert terminal.current() == SECOND
    assert terminal.run("tag", f"a/b:v2@{FIRST}")[0] == 0


def test_a_class_of_manifests_that_the_registry_does_not_accept_is_not_tagged(
    terminal: Terminal,
) -> None:
    terminal.environment.setenv("REGISTRY_POLICY_REPOSITORY_CLASSES", "plugin")
    assert terminal.fails("tag", f"a/b:v1@{FIRST}") == (
        "the registry does not accept manifests of class image"
    )
    assert terminal.current() == SECOND


def test_a_read_only_registry_has_no_tag_set(terminal: Terminal) -> None:
    terminal.environment.setenv("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true")
    assert terminal.fails("tag", f"a/b:v1@{FIRST}") == "this registry is read-only at present"
    assert terminal.run("history", "a/b:v1")[0] == 0


def test_what_does_not_exist_has_no_history(terminal: Terminal) -> None:
    assert terminal.fails("history", "a/b:v9") == "the repository a/b has no tag v9"
    assert terminal.fails("history", "c:v1") == "the repository c has no tag v1"


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("history", "a/b"), "'a/b' is not of the form REPOSITORY:TAG"),
        (("history", f"a/b:v1@{FIRST}"), "is not of the form REPOSITORY:TAG"),
        (("history", "A/b:v1"), "'A/b' is not a valid repository name"),
        (("history", "a/b:.v1"), "'.v1' is not a valid tag"),
        (("tag", "a/b:v1"), "'a/b:v1' is not of the form REPOSITORY:TAG@DIGEST"),
        (("tag", f"a/b@{FIRST}"), "is not of the form REPOSITORY:TAG@DIGEST"),
        (("tag", "a/b:v1@sha256:12"), "sha256 has 64 lowercase hex digits"),
        (("tag", f"a/b:v1@{FIRST}", "--expect", "v1"), "'v1' is not a digest"),
    ],
)
def test_a_malformed_reference_is_explained_before_storage_is_opened(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert says in line


@pytest.mark.parametrize("command", [("history", "a/b:v1"), ("tag", f"a/b:v1@{FIRST}")])
def test_what_is_wrong_with_storage_is_one_line(terminal: Terminal, command: list[str]) -> None:
    """Wrong settings, a missing container, a wrong key."""
    terminal.environment.setenv("REGISTRY_GC_GRACE", "soon")
    assert terminal.fails(*command, code=2).startswith("REGISTRY_GC_GRACE: 'soon' is not")
    terminal.environment.delenv("REGISTRY_GC_GRACE")

    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_CONTAINER", "missing")
    assert terminal.fails(*command, code=3) == (
        "the storage account has no container 'missing': create it, or correct "
        "REGISTRY_STORAGE_AZURE_CONTAINER"
    )
    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_CONTAINER", terminal.container)

    terminal.environment.delenv("REGISTRY_STORAGE_AZURE_CONNECTIONSTRING")
    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_SERVICEURL", terminal.azurite.service_url)
    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_ACCOUNTNAME", ACCOUNT)
    key = b64encode(bytes(64)).decode()
    terminal.environment.setenv("REGISTRY_STORAGE_AZURE_ACCOUNTKEY", key)
    line = terminal.fails(*command, code=3)
    assert line.startswith("storage denies access: check REGISTRY_STORAGE_AZURE_ACCOUNTKEY")


def test_ctrl_c_lets_a_push_that_has_begun_finish(terminal: Terminal) -> None:
    push = StoredRegistry.push_manifest

    async def interrupted(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return await push(*arguments)

    terminal.environment.setattr(StoredRegistry, "push_manifest", interrupted)
    try:
        assert terminal.fails("tag", f"a/b:v1@{FIRST}", code=130) == "interrupted"
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert terminal.current() == FIRST
