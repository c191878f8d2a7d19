"""Platforms: how they are written, which are the same, and which serves a wish best."""

from __future__ import annotations

import pytest

from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.transfer.platforms import IndexEntry, Platform, best

pytestmark = pytest.mark.portable


@pytest.mark.parametrize(
    "text, normalized",
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("macos/arm64", "darwin/arm64"),
        ("windows(10.0.20348.1)/amd64", "windows(10.0.20348.1)/amd64"),
        ("linux/s390x", "linux/s390x"),
    ],
)
def test_a_platform_is_normalized_as_by_containerd(text: str, normalized: str) -> None:
    assert str(Platform.parse(text)) == normalized
    assert Platform.parse(normalized) == Platform.parse(text)


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux/a/b/c", "linux/am d64"])
def test_what_is_not_a_platform_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a platform; .*linux/amd64"):
        Platform.parse(text)


@pytest.mark.parametrize(
    "document",
    [
        None,
        "linux/amd64",
        {},
        {"os": "linux"},
        {"os": "unknown", "architecture": "unknown"},
        {"os": ["linux"], "architecture": "amd64"},
    ],
)
def test_a_descriptor_may_say_nothing_about_its_platform(document: object) -> None:
    assert Platform.of_json(document) is None


def entry(text: str, number: int = 0) -> IndexEntry:
    name = f"{text} {number}".encode()
    described = Descriptor(media_types.OCI_MANIFEST, Digest.of(name), len(name))
    return IndexEntry(described, Platform.parse(text))


@pytest.mark.parametrize(
    "wanted, offered, found",
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
        ("linux/arm64/v8", ["linux/arm64"], "linux/arm64"),
        ("linux/arm64", ["linux/arm64/v8"], "linux/arm64"),
        ("linux/arm", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
        ("linux/arm/v6", ["linux/arm/v7"], None),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64/v2"),
        ("linux/amd64", ["linux/amd64/v2"], None),
        ("linux/arm64", ["linux/arm/v7"], None),
        ("linux/amd64", ["windows/amd64"], None),
        (
            "windows(10.0.2)/amd64",
            ["windows(10.0.1)/amd64", "windows(10.0.2)/amd64"],
            "windows(10.0.2)/amd64",
        ),
        ("windows/amd64", ["windows(10.0.1)/amd64"], "windows(10.0.1)/amd64"),
    ],
)
def test_the_nearest_platform_is_chosen(wanted: str, offered: list[str], found: str | None) -> None:
    entries = best(Platform.parse(wanted), [entry(each) for each in offered])
    assert [str(each.platform) for each in entries] == ([found] if found else [])


def test_entries_that_are_equally_good_are_all_found_in_order() -> None:
    entries = [entry("linux/amd64", 1), entry("linux/arm64"), entry("linux/amd64", 2)]
    assert best(Platform.parse("linux/amd64"), entries) == (entries[0], entries[2])
