"""Every path fits in what Azure takes, whatever the grammar of names and tags allows.

Source: "Naming and Referencing Containers, Blobs, and Metadata": 1,024 characters, 254 segments.
"""

import itertools

import pytest
from hypothesis import given

from registry_core.spec.digest import SHA512, Digest
from registry_core.storage.layout import Layout
from tests.spec import strategies

MAX_CHARACTERS = 1024
MAX_SEGMENTS = 254
DIGEST = Digest(SHA512, "f" * 128)
TAG = "t" * 128
UPLOAD = "00000000-0000-0000-0000-000000000000"

# A root of this length leaves room for the longest of all.
LONGEST_ROOT = 440


def paths(layout: Layout, name: str) -> list[str]:
    """All that belong to a repository, at their longest."""
    return [
        layout.content(DIGEST),
        layout.blob_link(name, DIGEST),
        layout.revision_link(name, DIGEST),
        layout.tag_link(name, TAG),
        layout.tag_index_link(name, TAG, DIGEST),
        layout.upload(name, UPLOAD),
        layout.referrer_link(name, DIGEST, DIGEST),
        layout.catalog_marker(name),
    ]


@pytest.mark.parametrize("root", ["", "/", "r" * (LONGEST_ROOT - 1) + "/"])
@pytest.mark.parametrize("name", ["a" * 255, "a/" * 127 + "a"], ids=["long", "deep"])
def test_the_longest_paths_fit(name: str, root: str) -> None:
    for path in paths(Layout(root), name):
        assert len(path) <= MAX_CHARACTERS
        assert path.count("/") < MAX_SEGMENTS


@given(name=strategies.names())
def test_no_path_has_what_storage_would_read_differently(name: str) -> None:
    """Empty, dot or dotted-at-the-end segments, and characters that need encoding."""
    for path, segment in itertools.chain.from_iterable(
        ((path, segment) for segment in path.split("/")) for path in paths(Layout(), name)
    ):
        assert segment, path
        assert not segment.endswith("."), path
        assert set(segment) <= set("abcdefghijklmnopqrstuvwxyz0123456789._~-"), path
