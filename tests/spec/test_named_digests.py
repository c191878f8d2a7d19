"""Every digest in a manifest's JSON is named, wherever it stands and whatever the format."""

from __future__ import annotations

import json

import pytest

from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestInvalid
from registry_core.spec.named_digests import manifest_names, named_digests

A, B = Digest.of(b"a"), Digest.of(b"b")
LONG = Digest.of(b"a", "sha512")


@pytest.mark.parametrize(
    "document, named",
    [
        ({"config": {"digest": str(A)}}, {A}),
        ({"layers": [{"digest": str(A)}, {"digest": str(B)}]}, {A, B}),
        ({"anything": [[["x", [str(LONG)]]]]}, {LONG}),
        ({str(A): {str(B): None}}, {A, B}),
        ([str(A)], {A}),
        (str(A), {A}),
        ({"annotations": {"base": f"registry.example.com/app@{A} and {B}."}}, {A, B}),
        ({"history": [{"v1Compatibility": json.dumps({"parent": str(A)})}]}, {A}),
        ({"fsLayers": [{"blobSum": str(A)}], "schemaVersion": 1}, {A}),
        ({"digest": "sha256:abc"}, set()),
        ({"digest": str(A).upper()}, set()),
        ({"digest": f"md5:{A.hex}"}, set()),
        ({}, set()),
    ],
)
def test_digests_are_found_in_every_text(document: object, named: set[Digest]) -> None:
    assert named_digests(json.dumps(document).encode()) == named


def test_each_of_two_equal_keys_counts() -> None:
    text = f'{{"layers": ["{A}"], "layers": ["{B}"], "x": {{"a": "{A}", "a": 1}}}}'

    assert named_digests(text.encode()) == {A, B}


def test_escapes_hide_nothing() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in str(A))
    within = json.dumps({"text": f'{{"a": "{escaped}"}}'})

    assert named_digests(f'{{"a": "{escaped}"}}'.encode()) == {A}
    assert named_digests(within.encode()) == {A}


def test_numbers_of_any_length_are_passed_over() -> None:
    assert named_digests(f'{{"n": {"9" * 10_000}, "d": "{A}"}}'.encode()) == {A}


def test_a_long_manifest_is_read_to_its_end() -> None:
    many = [Digest.of(str(number).encode()) for number in range(20_000)]

    assert named_digests(json.dumps([str(digest) for digest in many]).encode()) == set(many)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{",
        b"{} {}",
        b'{"a": NaN}',
        b'"\xff"',
        b"[" * 1_000_000,
    ],
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestInvalid, match="not valid JSON"):
        named_digests(content)


def test_the_subject_alone_is_not_needed() -> None:
    document = {"subject": {"digest": str(A), "size": 1}, "config": {"digest": str(B)}}

    names = manifest_names(json.dumps(document).encode())

    assert names.subjects == {A}
    assert names.needed == {B}
    assert names.digests == {A, B}


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"manifests": [{"digest": str(A)}]},
        {"subject_": {"digest": str(A)}},
        {"annotations": {"subject": str(A)}},
        {"nested": {"subject": {"digest": str(A)}}},
    ],
)
def test_a_subject_that_is_named_elsewhere_too_is_needed(elsewhere: dict[str, object]) -> None:
    names = manifest_names(json.dumps({"subject": {"digest": str(A)}, **elsewhere}).encode())

    assert names.needed == names.subjects == {A}


def test_what_the_subject_says_besides_its_digest_is_needed() -> None:
    document = {"subject": {"digest": str(A), "annotations": {"base": str(B)}}}

    assert manifest_names(json.dumps(document).encode()).needed == {B}


def test_both_of_two_subjects_count() -> None:
    text = f'{{"subject": {{"digest": "{A}"}}, "subject": {{"digest": "{B}", "digest": "{LONG}"}}}}'

    assert manifest_names(text.encode()).subjects == {A, B, LONG}
