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
    DeleteBlob,
    DeleteManifest,
    Endpoint,
    FinishUpload,
    GetBlob,
    GetManifest,
    GetUpload,
    HeadBlob,
    HeadManifest,
    ListCatalog,
    ListReferrers,
    ListTags,
    MountBlob,
    PageQuery,
    PushManifest,
    StartUpload,
)
from registry_core.spec.errors import RegistryError
from registry_core.spec.routes import build, parse
from registry_core.spec.scopes import Scope
from registry_core.spec.staging import MAX_BLOCKS

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
    ("GET", f"/v2/{NAME}/tags/list?n=0", ListTags(NAME, PageQuery(0))),
    ("GET", f"/v2/{NAME}/tags/list?n=10&last=1.0", ListTags(NAME, PageQuery(10, "1.0"))),
    ("GET", f"/v2/{NAME}/tags/list?last=a%26b%20c%2Fd", ListTags(NAME, PageQuery(last="a&b c/d"))),
    ("GET", f"/v2/{NAME}/blobs/uploads/id?_state=s", GetUpload(NAME, "id", "s")),
    (
        "GET",
        f"/v2/{NAME}/blobs/uploads/id?_state=s&staging=1",
        GetUpload(NAME, "id", "s", staging=True),
    ),
    (
        "PUT",
        f"/v2/{NAME}/blobs/uploads/id?_state=s&digest=sha256:{HEX}&blocks=50000",
        FinishUpload(NAME, "id", "s", DIGEST, 50_000),
    ),
    ("DELETE", f"/v2/{NAME}/blobs/uploads/id?_state=s", CancelUpload(NAME, "id", "s")),
    ("DELETE", f"/v2/{NAME}/blobs/sha256:{HEX}", DeleteBlob(NAME, DIGEST)),
    ("DELETE", f"/v2/{NAME}/manifests/latest", DeleteManifest(NAME, "latest")),
    ("DELETE", f"/v2/{NAME}/manifests/sha256:{HEX}", DeleteManifest(NAME, DIGEST)),
    ("POST", f"/v2/{NAME}/blobs/uploads/?mount=sha256:{HEX}", MountBlob(NAME, DIGEST)),
    (
        "POST",
        f"/v2/{NAME}/blobs/uploads/?mount=sha256:{HEX}&from=other%2Frepository",
        MountBlob(NAME, DIGEST, "other/repository"),
    ),
    (
        "POST",
        f"/v2/{NAME}/blobs/uploads/?digest-algorithm=sha512",
        StartUpload(NAME, algorithm="sha512"),
    ),
    (
        "PUT",
        f"/v2/{NAME}/manifests/sha256:{HEX}?tag=a&tag=b",
        PushManifest(NAME, DIGEST, ("a", "b")),
    ),
    ("GET", f"/v2/{NAME}/referrers/sha256:{HEX}", ListReferrers(NAME, DIGEST)),
    (
        "GET",
        f"/v2/{NAME}/referrers/sha256:{HEX}?artifactType=a%2Fb%2Bc&n=2&_token=t",
        ListReferrers(NAME, DIGEST, "a/b+c", PageQuery(2, token="t")),
    ),
    ("GET", "/v2/_catalog", ListCatalog()),
    ("GET", "/v2/_catalog?n=2&last=a%2Fb", ListCatalog(PageQuery(2, "a/b"))),
]


def parse_url(method: str, url: str) -> Endpoint:
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    return parse(method, unquote(parts.path), query)


@pytest.mark.parametrize("method, url, endpoint", ROWS)
def test_every_url_of_the_specification_round_trips(
    method: str, url: str, endpoint: Endpoint
) -> None:
    assert parse_url(method, url) == endpoint
    assert (endpoint.method, build(endpoint)) == (method, url)


def test_the_table_covers_every_endpoint() -> None:
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
        ("GET", f"/v2/{NAME}/manifests/v1.", GetManifest(NAME, "v1.")),
        ("HEAD", f"/v2/{NAME}/manifests/v1.", HeadManifest(NAME, "v1.")),
        ("PUT", f"/v2/a/blobs/uploads/i?digest=sha256%3A{HEX}", FinishUpload("a", "i", "", DIGEST)),
        ("POST", f"/v2/{NAME}/blobs/uploads/?x=y", StartUpload(NAME)),
        ("POST", f"/v2/{NAME}/blobs/uploads/?mount=sha256:{HEX}&from=", MountBlob(NAME, DIGEST)),
        ("POST", f"/v2/{NAME}/blobs/uploads/?mount=&digest=sha256:{HEX}", StartUpload(NAME)),
        ("POST", f"/v2/{NAME}/blobs/uploads/?mount=md5:0&from=a", StartUpload(NAME)),
        (
            "POST",
            f"/v2/{NAME}/blobs/uploads/?mount=sha512:{HEX}{HEX}&from=A",
            StartUpload(NAME, algorithm="sha512"),
        ),
    ],
)  # fmt: skip
def test_other_spellings_of_clients_are_accepted(method: str, url: str, endpoint: Endpoint) -> None:
    assert parse_url(method, url) == endpoint


UPLOAD_IDS = st.text("abcdefXYZ0123456789-_.~", min_size=1, max_size=40)
UPLOADS = (names(), UPLOAD_IDS, texts())
REFERENCES = tags() | digests()
GIVEN = st.none() | texts().filter(bool)
PAGES = st.builds(PageQuery, st.none() | st.integers(0, 10**18 - 1), GIVEN, GIVEN)
ENDPOINTS = st.one_of(
    st.builds(CheckVersion),
    st.builds(GetBlob, names(), digests()),
    st.builds(HeadBlob, names(), digests()),
    st.builds(GetManifest, names(), REFERENCES),
    st.builds(HeadManifest, names(), REFERENCES),
    st.builds(
        PushManifest, names(), REFERENCES, st.lists(tags(), unique=True, max_size=10).map(tuple)
    ),
    st.builds(
        StartUpload,
        names(),
        st.none() | digests(),
        st.sampled_from([None, "sha256", "sha512"]),
    ),
    st.builds(GetUpload, *UPLOADS, st.booleans()),
    st.builds(AppendUpload, *UPLOADS),
    st.builds(CancelUpload, *UPLOADS),
    st.builds(
        FinishUpload, *UPLOADS, st.none() | digests(), st.none() | st.integers(1, MAX_BLOCKS)
    ),
    st.builds(DeleteBlob, names(), digests()),
    st.builds(DeleteManifest, names(), REFERENCES),
    st.builds(MountBlob, names(), digests(), st.none() | names()),
    st.builds(ListTags, names(), PAGES),
    st.builds(ListReferrers, names(), digests(), GIVEN, PAGES),
    st.builds(ListCatalog, PAGES),
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
def test_every_endpoint_round_trips_as_a_url(endpoint: Endpoint) -> None:
    url = build(endpoint)
    assert parse_url(endpoint.method, url) == endpoint
    assert url.isascii()
    assert url.isprintable()
    assert not set(url) & set(' "<>\\^`{|}'), "nothing that a header or a page would have to escape"


def parse_or_refuse(
    method: str, path: str, query: list[tuple[str, str]]
) -> Endpoint | RegistryError:
    try:
        return parse(method, path, query)
    except RegistryError as error:
        return error


QUERY_NAMES = [
    "n",
    "last",
    "digest",
    "_state",
    "_token",
    "mount",
    "from",
    "tag",
    "artifactType",
    "x",
]
SEGMENTS = [
    "v2",
    "a",
    "blobs",
    "uploads",
    "manifests",
    "tags",
    "list",
    "referrers",
    "_catalog",
    f"sha256:{HEX}",
    "",
    "B",
]
PATHS = st.text(max_size=20) | st.lists(st.sampled_from(SEGMENTS), max_size=8).map("/".join)


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "get", ""]),
    path=PATHS.map(lambda path: "/" + path) | PATHS.map(lambda path: "/v2/" + path),
    query=st.lists(st.tuples(st.sampled_from(QUERY_NAMES), texts()), max_size=3),
)
def test_any_request_is_an_endpoint_that_round_trips_or_an_error_of_the_specification(
    method: str, path: str, query: list[tuple[str, str]]
) -> None:
    meaning = parse_or_refuse(method, path, query)
    if isinstance(meaning, Endpoint):
        assert parse_url(meaning.method, build(meaning)) == meaning
    else:
        assert meaning.http_status in {400, 404, 405}
        assert str(meaning).isprintable()


def test_staging_needs_what_a_push_needs_and_the_status_less() -> None:
    assert GetUpload("a", "i").scopes == (Scope.parse("repository:a:pull"),)
    assert GetUpload("a", "i", staging=True).scopes == (Scope.parse("repository:a:pull,push"),)


@pytest.mark.parametrize("value", ["0", "", "true", "2", "01"])
def test_only_one_value_asks_for_staging(value: str) -> None:
    """Others are unknown parameters, and ignored like all of them."""
    query = parse_qsl(f"staging={value}", keep_blank_values=True)
    assert parse("GET", "/v2/a/blobs/uploads/i", query) == GetUpload("a", "i")
