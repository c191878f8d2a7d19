"""URLs that are very long, oddly encoded or hostile."""

from collections.abc import Callable

import httpx
import pytest

from registry_core.server.application import URL_LIMIT
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_manifest
from tests.support.wire import OCTETS, Wire, assert_error, fresh_name

pytestmark = pytest.mark.anyio

DIGEST = Digest.of(b"some content")
LONGEST = 255


def name_of(length: int) -> str:
    """Return a new repository name of this length, with many components."""
    name = fresh_name()
    rest = length - len(name)
    return name + "/a" * (rest // 2) + "a" * (rest % 2)


@pytest.mark.every_host
async def test_the_longest_names_work_from_end_to_end(wire: Wire) -> None:
    """255 characters of repository, 128 of tag, sha512: pushed, pulled, listed, deleted."""
    wire.repository = name_of(LONGEST)
    tag = "T" * 128
    manifest = await wire.push_image(tag, b"layer")
    digest = Digest.of(manifest, "sha512")
    pushed = await wire.put_manifest(f"{digest}?tag={tag}", manifest)
    assert (pushed.status_code, pushed.headers["OCI-Tag"]) == (201, tag)
    for reference in (tag, digest):
        answer = await wire.client.get(f"{wire.base}/manifests/{reference}")
        assert (answer.status_code, answer.content) == (200, manifest)
    subject = {"mediaType": "a/b", "digest": str(digest), "size": len(manifest)}
    artifact = image_manifest(subject=subject)
    attached = await wire.put_manifest(Digest.of(artifact, "sha512"), artifact)
    assert (attached.status_code, attached.headers["OCI-Subject"]) == (201, str(digest))
    referrers = (await wire.client.get(f"{wire.base}/referrers/{digest}")).json()["manifests"]
    assert [found["digest"] for found in referrers] == [str(Digest.of(artifact, "sha512"))]
    assert (await wire.client.get(f"{wire.base}/tags/list")).json()["tags"] == [tag]
    before = wire.repository[:-1]
    catalog = await wire.client.get("/v2/_catalog", params={"n": 1, "last": before})
    assert catalog.json()["repositories"] == [wire.repository]
    assert (await wire.client.delete(f"{wire.base}/manifests/{digest}")).status_code == 202


@pytest.mark.every_host
async def test_a_tag_with_a_trailing_dot_is_not_the_tag_without_it(wire: Wire) -> None:
    """Some file systems and URL libraries treat such names as equal."""
    await wire.push_image("v1", b"layer")
    for tag in ("v1.", "v1.."):
        answer = await wire.client.get(f"{wire.base}/manifests/{tag}")
        assert_error(answer, 404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("name", ["a" * (LONGEST + 1), f"a{'/a' * 128}", "a" * 7000])
async def test_a_longer_name_is_refused_with_its_length(wire: Wire, name: str) -> None:
    with wire.nothing_new_in_storage():
        for method, rest in [
            ("GET", "tags/list"),
            ("HEAD", "manifests/v1"),
            ("PUT", "manifests/v1"),
            ("POST", "blobs/uploads/"),
            ("GET", f"referrers/{DIGEST}"),
        ]:
            answer = await wire.client.request(method, f"/v2/{name}/{rest}")
            assert answer.status_code == 400
            if method != "HEAD":
                assert str(len(name)) in assert_error(answer, 400, "NAME_INVALID")


@pytest.mark.parametrize("tag", ["t" * 129, "t" * 7000])
async def test_a_longer_tag_is_refused_in_path_and_query(wire: Wire, tag: str) -> None:
    await wire.push_blob(CONFIG)
    manifest = image_manifest()
    with wire.nothing_new_in_storage():
        assert_error(await wire.put_manifest(tag, manifest), 400, "TAG_INVALID")
        by_digest = f"{Digest.of(manifest)}?tag={tag}"
        message = assert_error(await wire.put_manifest(by_digest, manifest), 400, "TAG_INVALID")
        assert len(message) < 400


@pytest.mark.every_host
@pytest.mark.parametrize("length", [URL_LIMIT + 1, 60 * 2**10])
async def test_a_url_longer_than_8_kib_is_414(wire: Wire, length: int) -> None:
    """The Functions host refuses it as well."""
    long = "a" * length
    with wire.nothing_new_in_storage():
        for method, url in [
            ("GET", f"/v2/{long}/tags/list"),
            ("PUT", f"{wire.base}/manifests/{long}"),
            ("GET", f"{wire.base}/tags/list?last={long}"),
            ("GET", f"{wire.base}/referrers/{DIGEST}?artifactType={long}"),
            ("PATCH", f"{wire.base}/blobs/uploads/x?_state={long}"),
            ("GET", "/v2/_catalog?" + "a&" * (length // 2 + 1)),
        ]:
            assert_too_long(wire, await wire.client.request(method, url))


def assert_too_long(wire: Wire, answer: httpx.Response) -> None:
    if wire.host.refuses_long_urls:
        assert (answer.status_code, answer.content) == (414, b"")
    else:
        assert_error(answer, 414, "UNSUPPORTED")


@pytest.mark.every_host
async def test_more_tags_than_a_url_holds_are_refused_together(wire: Wire) -> None:
    """Distribution-spec, end-7: "MAY return a 414 ... if more than 10 tags are pushed"."""
    await wire.push_blob(CONFIG)
    manifest = image_manifest()
    tags = [f"{number:0100}" for number in range(100)]
    with wire.nothing_new_in_storage():
        query = "&".join(f"tag={tag}" for tag in tags)
        refused = await wire.put_manifest(f"{Digest.of(manifest)}?{query}", manifest)
        assert_too_long(wire, refused)
    query = "&".join(f"tag={tag}" for tag in tags[:50])
    pushed = await wire.put_manifest(f"{Digest.of(manifest)}?{query}", manifest)
    assert pushed.headers["OCI-Tag"].split(", ") == tags[:50]


@pytest.mark.every_host
async def test_the_registry_accepts_the_longest_urls_that_it_issues(wire: Wire) -> None:
    """The longest is the state of a sha512 upload to the longest name."""
    wire.repository = name_of(LONGEST)
    started = await wire.client.post(f"{wire.base}/blobs/uploads/?digest-algorithm=sha512")
    location = started.headers["Location"]
    for piece in (b"a" * 1000, b"b" * 1000):
        answer = await wire.patch(location, piece)
        assert answer.status_code == 202
        location = answer.headers["Location"]
        assert len(location) < URL_LIMIT / 2
    digest = Digest.of(b"a" * 1000 + b"b" * 1000, "sha512")
    assert (await wire.finish(location, digest)).status_code == 201


@pytest.mark.every_host
async def test_encoded_slashes_and_colons_are_decoded(wire: Wire) -> None:
    """As in distribution; hosts differ in which of them they decode."""
    manifest = await wire.push_image("v1", b"layer")
    digest = Digest.of(manifest)
    for slash, colon in (("%2F", "%3A"), ("%2f", "%3a")):
        name = wire.repository.replace("/", slash)
        encoded = str(digest).replace(":", colon)
        for url in (
            f"/v2/{name}/manifests/v1",
            f"/v2/{name}/manifests/{encoded}",
            f"/v2/{name}{slash}manifests{slash}{encoded}",
        ):
            answer = await wire.client.get(url)
            assert (answer.status_code, answer.content) == (200, manifest)
        config = str(Digest.of(CONFIG)).replace(":", colon)
        assert (await wire.client.head(f"/v2/{name}/blobs/{config}")).status_code == 200
        pushed = await wire.client.post(
            f"/v2/{name}/blobs/uploads/?digest={encoded}", content=manifest, headers=OCTETS
        )
        assert pushed.headers["Location"].endswith(f"/v2/{wire.repository}/blobs/{digest}")


INJECTIONS = [
    "%0D%0AX-Injected:%201",
    "%0d%0a%0d%0a<html>",
    "%00",
    "%0A",
    "%7F",
    "%1B%5B2J",
    "%22%3E",
    "%FF%FE",
    "%C0%AF",
    "%C0%AE%C0%AE%C0%AF",
    "%ED%A0%80",
    "%F5%80%80%80",
    "%E2%80%A8",
    "%",
    "%zz",
    "%u0041",
    "%25%30%30",
    "%5C..%5C",
    "+",
]


def assert_clean(answer: httpx.Response) -> None:
    """Assert that there is no 500, no injected header, and a JSON body if there is one."""
    assert answer.status_code < 500, answer.text
    assert "x-injected" not in answer.headers
    for name, value in answer.headers.items():
        assert value.isprintable(), (name, value)
        assert value.isascii(), (name, value)
    if answer.status_code >= 400 and answer.content:
        assert answer.headers["Content-Type"] == "application/json"
        message = answer.json()["errors"][0]["message"]
        assert message.isprintable(), message
        assert len(message) < 600


def in_paths(bad: str, base: str, upload: httpx.URL) -> list[tuple[str, str]]:
    """Return requests with ``bad`` in each variable part of a path."""
    return [
        ("GET", f"/v2/{bad}"),
        ("GET", f"/v2/a{bad}/tags/list"),
        ("POST", f"/v2/a{bad}/blobs/uploads/"),
        ("PUT", f"/v2/{bad}/a/manifests/v1"),
        ("GET", f"{base}/manifests/v1{bad}"),
        ("PUT", f"{base}/manifests/v1{bad}"),
        ("DELETE", f"{base}/manifests/v1{bad}"),
        ("GET", f"{base}/manifests/{DIGEST}{bad}"),
        ("GET", f"{base}/blobs/{DIGEST}{bad}"),
        ("GET", f"{base}/blobs/sha256:{bad}"),
        ("GET", f"{base}/referrers/{bad}:a"),
        ("PATCH", f"{upload.path}{bad}?{upload.query.decode()}"),
        ("GET", f"{base}/blobs/uploads/{bad}"),
    ]


def in_queries(bad: str, base: str, upload: httpx.URL) -> list[tuple[str, str]]:
    """Return requests with ``bad`` in each query parameter that has a grammar."""
    return [
        ("GET", f"{base}/tags/list?n={bad}"),
        ("POST", f"{base}/blobs/uploads/?digest={bad}"),
        ("POST", f"{base}/blobs/uploads/?digest-algorithm={bad}"),
        ("PUT", f"{upload}&digest={bad}"),
        ("PUT", f"{base}/manifests/{DIGEST}?tag=v1{bad}"),
        ("GET", f"{upload}{bad}"),
    ]


@pytest.mark.every_host
@pytest.mark.parametrize("requests", [in_paths, in_queries])
async def test_hostile_urls_are_refused(
    wire: Wire, requests: Callable[[str, str, httpx.URL], list[tuple[str, str]]]
) -> None:
    upload = httpx.URL(await wire.start())
    with wire.nothing_new_in_storage():
        for bad in INJECTIONS:
            for method, url in requests(bad, wire.base, upload):
                answer = await wire.client.request(method, url)
                assert_clean(answer)
                assert answer.status_code in (400, 404), (method, url)


@pytest.mark.every_host
async def test_hostile_mounts_start_an_upload(wire: Wire) -> None:
    """end-11: a mount that cannot be done is an upload, whatever is wrong with it."""
    with wire.nothing_new_in_storage():
        for bad in INJECTIONS:
            for query in (
                f"mount={bad}",
                f"mount={DIGEST}&from={bad}",
                f"mount={bad}&digest={bad}",
            ):
                answer = await wire.client.post(f"{wire.base}/blobs/uploads/?{query}")
                assert_clean(answer)
                assert answer.status_code == 202, query


@pytest.mark.every_host
async def test_a_listing_may_continue_after_any_text(wire: Wire) -> None:
    for tag in ("a", "b", "c"):
        await wire.push_image(tag, b"layer")
    paths = ("/v2/_catalog", f"{wire.base}/tags/list", f"{wire.base}/referrers/{DIGEST}")
    for bad in INJECTIONS:
        for path in paths:
            url = f"{path}?n=1&last={bad}&artifactType={bad}&{bad}={bad}"
            answer = await wire.client.get(url)
            assert_clean(answer)
            assert answer.status_code == 200


@pytest.mark.every_host
async def test_a_link_repeats_the_filter_encoded(wire: Wire) -> None:
    """The filter applies to the next page and cannot inject a header."""
    image = await wire.push_image("v1", b"layer")
    kind = 'x\r\nX-Injected: 1\r\n\r\n<>;rel="next"'
    subject = {"mediaType": "a/b", "digest": str(Digest.of(image)), "size": len(image)}
    for number in range(2):
        artifact = image_manifest(
            subject=subject, artifactType=kind, annotations={"n": str(number)}
        )
        pushed = await wire.put_manifest(Digest.of(artifact), artifact)
        assert pushed.status_code == 201, pushed.text
    url = f"{wire.base}/referrers/{Digest.of(image)}"
    answer = await wire.client.get(url, params={"artifactType": kind, "n": 1})
    assert_clean(answer)
    [first] = answer.json()["manifests"]
    answer = await wire.client.get(answer.links["next"]["url"])
    [second] = answer.json()["manifests"]
    assert first["digest"] != second["digest"]
