"""Paths in the container: they fit what Azure accepts, and parsing is the inverse of building.

Source: "Naming and Referencing Containers, Blobs, and Metadata": 1,024 characters, 254 segments.
"""

import itertools

import pytest
from hypothesis import given

from registry_core.spec.digest import SHA512, Digest
from registry_core.storage.layout import Layout
from registry_core.storage.layout_parse import Kind, parse_path
from tests.spec import strategies

LAYOUT = Layout()
DIGESTS = [Digest.of(b"a"), Digest.of(b"a", "sha512")]
MAX_CHARACTERS = 1024
MAX_SEGMENTS = 254
DIGEST = Digest(SHA512, "f" * 128)
TAG = "t" * 128
UPLOAD = "00000000-0000-0000-0000-000000000000"

# The longest root with which every path fits.
LONGEST_ROOT = 440


def longest_paths(layout: Layout, name: str) -> list[str]:
    """Return one path of each kind that a repository has, as long as they get."""
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
    for path in longest_paths(Layout(root), name):
        assert len(path) <= MAX_CHARACTERS
        assert path.count("/") < MAX_SEGMENTS


@given(name=strategies.names())
def test_no_path_has_what_storage_interprets(name: str) -> None:
    """Segments that are empty or end with a dot, and characters that need encoding."""
    for path, segment in itertools.chain.from_iterable(
        ((path, segment) for segment in path.split("/")) for path in longest_paths(Layout(), name)
    ):
        assert segment, path
        assert not segment.endswith("."), path
        assert set(segment) <= set("abcdefghijklmnopqrstuvwxyz0123456789._~-"), path


@pytest.mark.parametrize("root", ["", "/", "a/docker/"])
@pytest.mark.parametrize("digest", DIGESTS)
def test_every_path_of_the_layout_is_parsed_back(root: str, digest: Digest) -> None:
    layout, name, subject = Layout(root), "a/b-c", Digest.of(b"subject")
    paths = {
        layout.content(digest): Kind.CONTENT,
        layout.blob_link(name, digest): Kind.LAYER_LINK,
        layout.revision_link(name, digest): Kind.REVISION_LINK,
        layout.tag_link(name, "v1.0"): Kind.TAG_LINK,
        layout.tag_index_link(name, "v1.0", digest): Kind.INDEX_LINK,
        layout.referrer_link(name, subject, digest): Kind.REFERRER,
        layout.upload(name, "id"): Kind.UPLOAD,
        layout.catalog_marker(name): Kind.MARKER,
        layout.replacing("id"): Kind.REPLACEMENT,
        layout.quarantined(digest, "0x8d"): Kind.QUARANTINED,
        layout.personal_key("ci"): Kind.PERSONAL_KEY,
        layout.gc_run("id"): Kind.COLLECTION,
        layout.gc_mark("id"): Kind.COLLECTION,
        layout.gc_summary: Kind.COLLECTION,
        layout.trashed("id"): Kind.TRASHED,
        layout.pulls_of("2026-11-28", "id"): Kind.PULLS,
        layout.pulls_summary: Kind.PULLS,
    }
    for path, kind in paths.items():
        place = parse_path(path)
        assert (place.kind, place.root) == (kind, root)
        assert place.digest in (None, digest)
        assert place.subject in (None, subject)
        assert place.tag in ("", "v1.0")
        assert place.repository in ("", name)
    assert set(paths.values()) == set(Kind) - {Kind.UNKNOWN}
    assert [k for path, k in paths.items() if path.startswith(layout.uploads)] == [Kind.UPLOAD]


@pytest.mark.parametrize(
    "path",
    [
        "a file",
        "docker/registry/v2/",
        "xdocker/registry/v2/_catalog/a",
        LAYOUT.content(DIGESTS[0]).replace("data", "date"),
        LAYOUT.content(DIGESTS[0]).replace("sha256", "sha512"),
        LAYOUT.content(DIGESTS[0]).replace("/ca/", "/cb/"),
        LAYOUT.blob_link("A", DIGESTS[0]),
        LAYOUT.blob_link("a", DIGESTS[0]) + "s",
        LAYOUT.tag_link("a", "-"),
        LAYOUT.repository("a"),
        LAYOUT.upload("A", "id"),
        LAYOUT.upload("a", "id") + "s",
        LAYOUT.uploads,
        LAYOUT.base + "_quarantine/sha256/0/0x8d",
    ],
)
def test_a_path_that_is_not_of_the_layout_is_unknown(path: str) -> None:
    assert parse_path(path).kind is Kind.UNKNOWN
