"""Requests that name no endpoint are refused with the right error."""

from __future__ import annotations

import pytest

from registry_core.spec.errors import (
    DigestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    TagInvalid,
    Unsupported,
)
from registry_core.spec.routes import parse

HEX = "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1/",
        "/V2/",
        "/v2//",
        "//v2/",
        "v2/",
        "/v2/a",
        "/v2/a/tags",
        "/v2/a/tags/list/",
        "/v2/a/tags/list/b",
        "/v2/a/tag/list",
        "/v2//tags/list",
        "/v2/tags/list",
        "/v2/blobs/uploads/",
        "/v2/a/blobs/",
        "/v2/a/blobs",
        "/v2/a/blobs/uploads/id/more",
        "/v2/a/manifests/",
        "/v2/a/manifests",
        f"/v2/a/sha256:{HEX}",
        f"/v3/a/blobs/sha256:{HEX}",
        f"/x/v2/a/blobs/sha256:{HEX}",
        "/v2/a\n/tags/list",
    ],
)
def test_a_path_without_an_endpoint_is_refused(path: str) -> None:
    with pytest.raises(NameUnknown) as refusal:
        parse("GET", path, ())
    assert refusal.value.http_status == 404


@pytest.mark.parametrize("name", ["A", "a//b", "/a", "a/", "_a", "a..b", "a b", "ä", "a" * 256])
@pytest.mark.parametrize(
    "method, rest",
    [
        ("GET", f"blobs/sha256:{HEX}"),
        ("HEAD", "manifests/latest"),
        ("PUT", "manifests/latest"),
        ("POST", "blobs/uploads/"),
        ("PATCH", "blobs/uploads/id"),
        ("GET", "tags/list"),
    ],
)
def test_an_invalid_name_is_refused_by_every_endpoint(name: str, method: str, rest: str) -> None:
    with pytest.raises(NameInvalid):
        parse(method, f"/v2/{name}/{rest}", ())


BAD_DIGESTS = [f"sha256:{HEX[1:]}", f"sha256:{HEX.upper()}", f"md5:{HEX[:32]}", ":", "a:b"]


@pytest.mark.parametrize("digest", BAD_DIGESTS)
def test_an_invalid_digest_is_refused_by_every_endpoint(digest: str) -> None:
    requests: list[tuple[str, str, list[tuple[str, str]]]] = [
        ("GET", f"/v2/a/blobs/{digest}", []),
        ("HEAD", f"/v2/a/blobs/{digest}", []),
        ("GET", f"/v2/a/manifests/{digest}", []),
        ("PUT", f"/v2/a/manifests/{digest}", []),
        ("POST", "/v2/a/blobs/uploads/", [("digest", digest)]),
        ("PUT", "/v2/a/blobs/uploads/id", [("digest", digest)]),
    ]
    for request in requests:
        with pytest.raises(DigestInvalid):
            parse(*request)


@pytest.mark.parametrize("tag", [".a", "-a", "a+b", "a b", "ä", "a\n", "t" * 129])
def test_an_invalid_tag_cannot_be_pushed_and_is_unknown_to_readers(tag: str) -> None:
    """No manifest can have such a tag: readers get 404."""
    with pytest.raises(TagInvalid):
        parse("PUT", f"/v2/a/manifests/{tag}", ())
    for method in ("GET", "HEAD"):
        with pytest.raises(ManifestUnknown):
            parse(method, f"/v2/a/manifests/{tag}", ())


def test_a_tag_that_ends_with_a_dot_is_read_but_neither_set_nor_deleted() -> None:
    """Another registry may have written it where storage keeps the dot."""
    parse("GET", "/v2/a/manifests/v1.", ())
    parse("HEAD", "/v2/a/manifests/v1.", ())
    for method in ("PUT", "DELETE"):
        with pytest.raises(TagInvalid, match="ends with a dot"):
            parse(method, "/v2/a/manifests/v1.", ())
    with pytest.raises(TagInvalid, match="ends with a dot"):
        parse("PUT", f"/v2/a/manifests/sha256:{HEX}", [("tag", "v1"), ("tag", "v1.")])


def test_a_push_of_more_than_100_tags_is_refused() -> None:
    """end-7b: "MAY return a 414 ... if too many tags are included in the request"."""
    tags = [("tag", f"v{number}") for number in range(101)]
    parse("PUT", f"/v2/a/manifests/sha256:{HEX}", tags[:100])
    for too_many in (tags, tags[:1] * 101):
        with pytest.raises(Unsupported, match="101 tags in one push; send at most 100") as refusal:
            parse("PUT", f"/v2/a/manifests/sha256:{HEX}", too_many)
        assert refusal.value.http_status == 414


@pytest.mark.parametrize(
    "n", ["", "-1", "+1", "1.5", "x", " 1", "1\n", "٣", "0x10", "1_000", "9" * 19]
)
def test_an_invalid_number_of_results_is_refused(n: str) -> None:
    with pytest.raises(PaginationNumberInvalid):
        parse("GET", "/v2/a/tags/list", [("n", n)])


@pytest.mark.parametrize(
    "path, allowed",
    [
        ("/v2/", "GET, HEAD"),
        (f"/v2/a/blobs/sha256:{HEX}", "DELETE, GET, HEAD"),
        ("/v2/a/manifests/latest", "DELETE, GET, HEAD, PUT"),
        (f"/v2/a/referrers/sha256:{HEX}", "GET"),
        ("/v2/_catalog", "GET"),
        ("/v2/a/blobs/uploads/", "POST"),
        ("/v2/a/blobs/uploads/id", "DELETE, GET, PATCH, PUT"),
        ("/v2/a/tags/list", "GET"),
    ],
)
@pytest.mark.parametrize("method", ["BREW", "get", "", "OPTIONS"])
def test_an_unsupported_method_is_refused_with_those_allowed(
    method: str, path: str, allowed: str
) -> None:
    with pytest.raises(Unsupported) as refusal:
        parse(method, path, ())
    assert refusal.value.http_status == 405
    assert refusal.value.headers == {"Allow": allowed}
