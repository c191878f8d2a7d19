"""Requests are parsed to endpoints, and endpoints built back to the same requests."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import (
    AppendUpload,
    CancelUpload,
    CheckVersion,
    Endpoint,
    FinishUpload,
    GetBlob,
    GetManifest,
    GetUpload,
    HeadBlob,
    HeadManifest,
    ListTags,
    PushManifest,
    StartUpload,
    build,
    parse,
)
from registry_core.spec.errors import (
    DigestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    RegistryError,
    TagInvalid,
    Unsupported,
)

from .strategies import digests, names, tags, texts

HEX = "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"
DIGEST = Digest("sha256", HEX)
LONG = Digest("sha512", HEX * 2)
NAME = "library/nginx"

# Every URL of the specification's table of endpoints that is served, and what it means.
ROWS: list[tuple[str, str, Endpoint]] = [
    ("GET", "/v2/", CheckVersion()),
    ("GET", f"/v2/{NAME}/blobs/sha256:{HEX}", GetBlob(NAME, DIGEST)),
    ("GET", f"/v2/{NAME}/blobs/sha512:{HEX}{HEX}", GetBlob(NAME, LONG)),
    ("HEAD", f"/v2/{NAME}/blobs/sha256:{HEX}", HeadBlob(NAME, DIGEST)),
    ("GET", f"/v2/{NAME}/manifests/latest", GetManifest(NAME, "latest")),
    ("GET", f"/v2/{NAME}/manifests/sha256:{HEX}", GetManifest(NAME, DIGEST)),
    ("HEAD", f"/v2/{NAME}/manifests/1.0_rc-1", HeadManifest(NAME, "1.0_rc-1")),
    ("HEAD", f"/v2/{NAME}/manifests/sha256:{HEX}", HeadManifest(NAME, DIGEST)),
    ("POST", f"/v2/{NAME}/blobs/uploads/", StartUpload(NAME)),
    ("POST", f"/v2/{NAME}/blobs/uploads/?digest=sha256:{HEX}", StartUpload(NAME, DIGEST)),
    ("PATCH", f"/v2/{NAME}/blobs/uploads/id?_state=s.t-a_t", AppendUpload(NAME, "id", "s.t-a_t")),
    ("PATCH", f"/v2/{NAME}/blobs/uploads/id", AppendUpload(NAME, "id")),
    (
        "PUT",
        f"/v2/{NAME}/blobs/uploads/id?_state=s&digest=sha256:{HEX}",
        FinishUpload(NAME, "id", "s", DIGEST),
    ),
    ("PUT", f"/v2/{NAME}/blobs/uploads/id?_state=s", FinishUpload(NAME, "id", "s")),
    ("PUT", f"/v2/{NAME}/manifests/latest", PushManifest(NAME, "latest")),
    ("PUT", f"/v2/{NAME}/manifests/sha256:{HEX}", PushManifest(NAME, DIGEST)),
    ("GET", f"/v2/{NAME}/tags/list", ListTags(NAME)),
    ("GET", f"/v2/{NAME}/tags/list?n=0", ListTags(NAME, n=0)),
    ("GET", f"/v2/{NAME}/tags/list?n=10&last=1.0", ListTags(NAME, n=10, last="1.0")),
    ("GET", f"/v2/{NAME}/tags/list?last=a%26b%20c%2Fd", ListTags(NAME, last="a&b c/d")),
    ("GET", f"/v2/{NAME}/blobs/uploads/id?_state=s", GetUpload(NAME, "id", "s")),
    ("DELETE", f"/v2/{NAME}/blobs/uploads/id?_state=s", CancelUpload(NAME, "id", "s")),
]


def parse_url(method: str, url: str) -> Endpoint:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    return parse(method, unquote(parts.path), query)


@pytest.mark.parametrize("method, url, endpoint", ROWS)
def test_every_url_of_the_specification_means_one_endpoint_and_back(
    method: str, url: str, endpoint: Endpoint
) -> None:
    assert parse_url(method, url) == endpoint
    assert (endpoint.method, build(endpoint)) == (method, url)


def test_the_table_has_every_endpoint() -> None:
    def leaves(kind: type[Endpoint]) -> set[type[Endpoint]]:
        below = kind.__subclasses__()
        return set().union(*map(leaves, below)) if below else {kind}

    assert {type(endpoint) for _, _, endpoint in ROWS} == leaves(Endpoint)


@pytest.mark.parametrize(
    "method, url, endpoint",
    [
        ("GET", "/v2", CheckVersion()),
        ("HEAD", "/v2/", CheckVersion()),
        ("POST", f"/v2/{NAME}/blobs/uploads", StartUpload(NAME)),
        ("GET", f"/v2/{NAME}/blobs/sha256%3A{HEX}", GetBlob(NAME, DIGEST)),
        ("GET", f"/v2/{NAME}/tags/list?last=&x=y", ListTags(NAME)),
        ("PUT", f"/v2/a/blobs/uploads/i?digest=sha256%3A{HEX}", FinishUpload("a", "i", "", DIGEST)),
        ("POST", f"/v2/{NAME}/blobs/uploads/?x=y", StartUpload(NAME)),
    ],
)  # fmt: skip
def test_what_clients_write_otherwise_is_understood_too(
    method: str, url: str, endpoint: Endpoint
) -> None:
    assert parse_url(method, url) == endpoint


UPLOAD_IDS = st.text("abcdefXYZ0123456789-_.~", min_size=1, max_size=40)
UPLOADS = (names(), UPLOAD_IDS, texts())
REFERENCES = tags() | digests()
ENDPOINTS = st.one_of(
    st.builds(CheckVersion),
    st.builds(GetBlob, names(), digests()),
    st.builds(HeadBlob, names(), digests()),
    st.builds(GetManifest, names(), REFERENCES),
    st.builds(HeadManifest, names(), REFERENCES),
    st.builds(PushManifest, names(), REFERENCES),
    st.builds(StartUpload, names(), st.none() | digests()),
    st.builds(GetUpload, *UPLOADS),
    st.builds(AppendUpload, *UPLOADS),
    st.builds(CancelUpload, *UPLOADS),
    st.builds(FinishUpload, *UPLOADS, st.none() | digests()),
    st.builds(
        ListTags,
        names(),
        st.none() | st.integers(0, 10**18 - 1),
        st.none() | texts().filter(bool),
    ),
)


@given(ENDPOINTS)
@example(GetBlob("blobs/uploads", DIGEST))
@example(GetManifest("a/manifests/latest", "list"))
@example(GetManifest("a/tags", "list"))
@example(ListTags("a/tags/list/manifests"))
@example(StartUpload("blobs/uploads/blobs"))
@example(GetUpload("a/blobs/uploads", "uploads"))
@example(CancelUpload("uploads/blobs", "list"))
@example(GetManifest("v2/v2", "v2"))
def test_every_endpoint_survives_being_sent(endpoint: Endpoint) -> None:
    url = build(endpoint)
    assert parse_url(endpoint.method, url) == endpoint
    assert url.isascii()
    assert url.isprintable()
    assert not set(url) & set(' "<>\\^`{|}'), "nothing that a header or a page would have to escape"


def parse_or_refuse(method: str, path: str, query: dict[str, str]) -> Endpoint | RegistryError:
    try:
        return parse(method, path, query)
    except RegistryError as error:
        return error


SEGMENTS = ["v2", "a", "blobs", "uploads", "manifests", "tags", "list", f"sha256:{HEX}", "", "B"]
PATHS = st.text(max_size=20) | st.lists(st.sampled_from(SEGMENTS), max_size=8).map("/".join)


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "get", ""]),
    path=PATHS.map(lambda path: "/" + path) | PATHS.map(lambda path: "/v2/" + path),
    query=st.dictionaries(
        st.sampled_from(["n", "last", "digest", "_state", "x"]), texts(), max_size=3
    ),
)
def test_any_request_is_an_endpoint_that_goes_round_or_an_error_of_the_specification(
    method: str, path: str, query: dict[str, str]
) -> None:
    meaning = parse_or_refuse(method, path, query)
    if isinstance(meaning, Endpoint):
        assert parse_url(meaning.method, build(meaning)) == meaning
    else:
        assert meaning.http_status in {400, 404, 405}
        assert str(meaning).isprintable()


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
def test_a_path_without_endpoint_is_unknown(path: str) -> None:
    with pytest.raises(NameUnknown) as refusal:
        parse("GET", path, {})
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
def test_a_bad_name_is_refused_by_every_endpoint(name: str, method: str, rest: str) -> None:
    with pytest.raises(NameInvalid):
        parse(method, f"/v2/{name}/{rest}", {})


BAD_DIGESTS = [f"sha256:{HEX[1:]}", f"sha256:{HEX.upper()}", f"md5:{HEX[:32]}", ":", "a:b"]


@pytest.mark.parametrize("digest", BAD_DIGESTS)
def test_a_bad_digest_is_refused_wherever_one_may_stand(digest: str) -> None:
    requests: list[tuple[str, str, dict[str, str]]] = [
        ("GET", f"/v2/a/blobs/{digest}", {}),
        ("HEAD", f"/v2/a/blobs/{digest}", {}),
        ("GET", f"/v2/a/manifests/{digest}", {}),
        ("PUT", f"/v2/a/manifests/{digest}", {}),
        ("POST", "/v2/a/blobs/uploads/", {"digest": digest}),
        ("PUT", "/v2/a/blobs/uploads/id", {"digest": digest}),
    ]
    for request in requests:
        with pytest.raises(DigestInvalid):
            parse(*request)


@pytest.mark.parametrize("tag", [".a", "-a", "a+b", "a b", "ä", "a\n", "t" * 129])
def test_a_bad_tag_cannot_be_pushed_and_is_unknown_when_asked_for(tag: str) -> None:
    """Nothing can be there under such a tag, and a reader is told so: 404."""
    with pytest.raises(TagInvalid):
        parse("PUT", f"/v2/a/manifests/{tag}", {})
    for method in ("GET", "HEAD"):
        with pytest.raises(ManifestUnknown):
            parse(method, f"/v2/a/manifests/{tag}", {})


@pytest.mark.parametrize(
    "n", ["", "-1", "+1", "1.5", "x", " 1", "1\n", "٣", "0x10", "1_000", "9" * 19]
)
def test_a_number_of_results_that_is_none_is_refused(n: str) -> None:
    with pytest.raises(PaginationNumberInvalid):
        parse("GET", "/v2/a/tags/list", {"n": n})


@pytest.mark.parametrize(
    "path, allowed",
    [
        ("/v2/", "GET, HEAD"),
        (f"/v2/a/blobs/sha256:{HEX}", "GET, HEAD"),
        ("/v2/a/manifests/latest", "GET, HEAD, PUT"),
        ("/v2/a/blobs/uploads/", "POST"),
        ("/v2/a/blobs/uploads/id", "DELETE, GET, PATCH, PUT"),
        ("/v2/a/tags/list", "GET"),
    ],
)
@pytest.mark.parametrize("method", ["BREW", "get", "", "OPTIONS"])
def test_a_method_that_a_path_lacks_is_answered_with_those_it_has(
    method: str, path: str, allowed: str
) -> None:
    with pytest.raises(Unsupported) as refusal:
        parse(method, path, {})
    assert refusal.value.http_status == 405
    assert refusal.value.headers == {"Allow": allowed}
