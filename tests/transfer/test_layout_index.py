"""The index of a layout: names, and what changes when a manifest is added."""

import json

import pytest

from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import DigestInvalid, ManifestUnknown, TagInvalid
from registry_core.transfer.layout_index import (
    IMAGE_NAME,
    MAX_INDEX_BYTES,
    REF_NAME,
    LayoutIndex,
    Name,
    Selection,
)
from registry_core.transfer.local_files import FilesError

ONE, TWO, THREE = (Digest.of(content) for content in (b"one", b"two", b"three"))
MANIFEST = Descriptor(media_types.OCI_MANIFEST, THREE, 5)

ALPINE, NGINX = "docker.io/library/alpine:3", "docker.io/library/nginx:3"


def entry(digest: object, ref_name: str = "", image: str = "", **fields: object) -> object:
    """Return an entry of ``index.json``."""
    annotations = {key: name for key, name in ((REF_NAME, ref_name), (IMAGE_NAME, image)) if name}
    document = {"mediaType": media_types.OCI_MANIFEST, "digest": str(digest), "size": 3, **fields}
    return document | ({"annotations": annotations} if annotations else {})


def index(*entries: object) -> LayoutIndex:
    document = {"schemaVersion": 2, "manifests": entries}
    return LayoutIndex.parse(json.dumps(document).encode(), "index.json")


def entries_of(changed: LayoutIndex) -> list[object]:
    entries: list[object] = json.loads(changed.to_json())["manifests"]
    return entries


@pytest.mark.parametrize(
    "text, digest, tag",
    [
        ("v1", ONE, "v1"),
        ("registry.example.com/app:v2", TWO, "v2"),
        ("v2", TWO, "v2"),
        ("docker.io/library/alpine:3", THREE, "3"),
        ("alpine:3", THREE, "3"),
        ("library/alpine:3", THREE, "3"),
        ("3", THREE, "3"),
        ("@0", ONE, "v1"),
        ("@1", TWO, "v2"),
        (str(TWO), TWO, None),
    ],
)
def test_a_manifest_is_selected_by_tag_full_name_digest_or_number(
    text: str, digest: Digest, tag: str | None
) -> None:
    listed = index(
        entry(ONE, "v1"), entry(TWO, "registry.example.com/app:v2"), entry(THREE, "3", ALPINE)
    )

    assert listed.select(text) == Selection(digest, tag)
    assert listed.tags == ["3", "v1", "v2"]


@pytest.mark.parametrize(
    "entries, selection",
    [
        ([entry(ONE)], Selection(ONE)),
        ([entry(ONE, "v1")], Selection(ONE, "v1")),
        ([entry(ONE, "v1"), entry(ONE, "v2")], Selection(ONE, "v1")),
        # A referrer or a child that is listed as well does not make the choice unclear.
        ([entry(TWO), entry(ONE, "v1")], Selection(ONE, "v1")),
        ([entry(ONE, "a name")], Selection(ONE)),
    ],
)
def test_without_a_reference_the_only_manifest_is_selected(
    entries: list[object], selection: Selection
) -> None:
    assert index(*entries).select("") == selection


@pytest.mark.parametrize(
    "entries, text, message",
    [
        ([], "", "lists no manifests"),
        ([entry(ONE, "v1"), entry(TWO, "v2")], "", "several manifests are there; .*v1, v2"),
        ([entry(ONE), entry(TWO)], "", f"{ONE}, {TWO}"),
        ([entry(ONE, "3", ALPINE), entry(TWO, "3", NGINX)], "3", f"{ALPINE}, {NGINX}"),
        ([entry(ONE, "v1"), entry(TWO, "v1")], "v1", f"{ONE}, {TWO}"),
        ([entry(ONE, "v1")], "v2", "no manifest 'v2' .tags: v1."),
        ([entry(ONE)], "v2", "it has no tags"),
        ([entry(ONE, "v1")], "@1", "no entry @1: it lists 1, from @0"),
        ([entry("sha256:short")], "@0", "not a valid descriptor"),
    ],
)
def test_an_unclear_selection_names_what_there_is(
    entries: list[object], text: str, message: str
) -> None:
    with pytest.raises(ManifestUnknown, match=message):
        index(*entries).select(text)


def test_messages_list_ten_names() -> None:
    entries = [entry(Digest.of(b"%d" % number), f"v{number}") for number in range(13)]

    with pytest.raises(ManifestUnknown, match=r"one of v0, .*v9 and 3 more$"):
        index(*entries).select("")


def test_names_in_messages_do_not_control_the_terminal() -> None:
    with pytest.raises(ManifestUnknown) as error:
        index(entry(ONE, "\x1b[2Jone"), entry(TWO, "two")).select("")

    assert "\x1b" not in str(error.value)


def test_a_malformed_digest_is_refused_as_such() -> None:
    with pytest.raises(DigestInvalid):
        index(entry(ONE)).select("sha256:../../../etc/passwd")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[]", "is a list, not a JSON object"),
        (b"{}", "not an image index"),
        (b'{"manifests": null}', "not an image index"),
        (b'{"manifests": [{}, 1]}', r"manifests\[1\] is a number"),
        (b'{"manifests": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"manifests": [' + b"{}," * (MAX_INDEX_BYTES // 4) + b"{}]}", "more than .* values"),
    ],
)
def test_a_file_that_is_not_an_index_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(FilesError, match=message):
        LayoutIndex.parse(content, "index.json")


def test_entries_that_are_not_understood_are_kept_and_found_by_nobody() -> None:
    foreign = [entry("blake3:" + "0" * 64, "v1"), {"anything": [1]}, entry(ONE, annotations=[])]

    changed = index(*foreign).with_manifest(MANIFEST, [Name("v2")])

    assert entries_of(changed)[:3] == foreign
    assert changed.tags == ["v2"]


def test_other_fields_of_the_index_are_kept() -> None:
    document = {"schemaVersion": 2, "manifests": [], "annotations": {"a": "b"}, "x": 1}

    changed = LayoutIndex.parse(json.dumps(document).encode(), "index.json")

    assert json.loads(changed.to_json()) == document


def test_a_tag_is_replaced_and_all_other_entries_stay() -> None:
    platform = {"os": "linux", "architecture": "arm64"}
    kept = [entry(ONE, "v1", platform=platform), entry(TWO), entry(TWO, "v3")]

    changed = index(*kept, entry(TWO, "v2")).with_manifest(MANIFEST, [Name("v2")])

    assert entries_of(changed)[:3] == kept
    assert changed.find_tag("v2").digest == THREE
    assert len(changed.entries) == 4


def test_an_entry_keeps_its_platform_and_annotations_under_another_tag() -> None:
    listed = index(entry(THREE, platform={"os": "linux"}, annotations={REF_NAME: "v1", "a": "b"}))

    [old, new] = entries_of(listed.with_manifest(MANIFEST, [Name("v2")]))

    assert old == entry(THREE, platform={"os": "linux"}, annotations={REF_NAME: "v1", "a": "b"})
    assert new == entry(THREE, platform={"os": "linux"}, annotations={REF_NAME: "v2", "a": "b"})


def test_a_manifest_that_gets_a_tag_is_not_listed_without_one_as_well() -> None:
    listed = index().with_manifest(MANIFEST, [])
    assert len(listed.entries) == 1
    assert listed.with_manifest(MANIFEST, []) == listed

    tagged = listed.with_manifest(MANIFEST, [Name("v1"), Name("v2")])

    assert tagged.tags == ["v1", "v2"]
    assert len(tagged.entries) == 2


def test_images_with_different_full_names_can_have_the_same_tag() -> None:
    listed = index(entry(ONE, "3", ALPINE)).with_manifest(MANIFEST, [Name("3", NGINX)])

    assert (listed.find_tag("alpine:3").digest, listed.find_tag("nginx:3").digest) == (ONE, THREE)


@pytest.mark.parametrize("text", ["v1", "_v1", "docker.io/library/alpine:3", "a/b@c+d--e"])
def test_a_name_is_a_tag_or_what_the_specification_allows(text: str) -> None:
    assert Name.parse(text) == Name(text)


@pytest.mark.parametrize("text", ["", "../a", "a b", "a//b", "a\n", "a" * 1000])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(TagInvalid):
        Name.parse(text)
