"""Manifests over HTTP: what is requested, and which answers are believed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest
from aiohttp import web

from registry_core.client import HttpRegistry
from registry_core.client.manifests import ACCEPT
from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import (
    Denied,
    DigestInvalid,
    ManifestUnknown,
    NameUnknown,
    RegistryError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unsupported,
)
from registry_core.spec.manifest import MAX_MANIFEST_BYTES, parse_manifest
from registry_core.spec.preconditions import Precondition, PreconditionFailed
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, push_blob
from tests.support.served import Served

from .peers import Handler, Peer, Received, peer, session
from .serving import client_of

pytestmark = pytest.mark.anyio

MANIFEST = image_manifest(b"layer")
DIGEST = Digest.of(MANIFEST)
OCI = media_types.OCI_MANIFEST
DESCRIBED = Descriptor(OCI, DIGEST, len(MANIFEST))


@asynccontextmanager
async def registry_that(answer: Handler) -> AsyncIterator[tuple[HttpRegistry, Peer]]:
    """Run a registry with written answers, and our client of it."""
    async with peer(answer) as running, session(running.url) as client:
        yield HttpRegistry(client), running


def manifest_answer(
    content: bytes = MANIFEST,
    content_type: str | None = OCI,
    digest: Digest | str | None = DIGEST,
    status: int = 200,
) -> web.Response:
    headers = {"Content-Type": content_type} if content_type else {}
    headers |= {"Docker-Content-Digest": str(digest)} if digest else {}
    return web.Response(body=content, headers=headers, status=status)


def describing(
    content: bytes = MANIFEST,
    content_type: str | None = OCI,
    digest: Digest | str | None = DIGEST,
) -> Handler:
    """Return a registry that answers with a manifest, whatever it is asked."""
    return lambda _: manifest_answer(content, content_type, digest)


async def test_all_types_of_manifests_are_accepted() -> None:
    async with registry_that(describing()) as (registry, served):
        await registry.get_manifest("a", "v1")
        await registry.resolve_manifest("a", "v1")
    for request in served.received:
        assert request.headers["Accept"] == ACCEPT["Accept"]
        assert all(kind in request.headers["Accept"] for kind in media_types.MANIFESTS)


async def test_a_manifest_that_does_not_hash_to_its_digest_is_damaged() -> None:
    """Whatever the registry says that its digest is."""
    other = Digest.of(b"other")
    for stated in (other, DIGEST, None):
        async with registry_that(describing(digest=stated)) as (registry, _):
            with pytest.raises(ManifestUnknown, match=f"its digest is {DIGEST}, not {other}"):
                await registry.get_manifest("a", other)


async def test_a_manifest_by_tag_that_is_not_what_the_registry_says_is_damaged() -> None:
    other = Digest.of(b"other")
    async with registry_that(describing(digest=other)) as (registry, _):
        with pytest.raises(ManifestUnknown, match=f"its digest is {DIGEST}, not {other}"):
            await registry.get_manifest("a", "v1")


async def test_the_digest_of_a_manifest_by_tag_is_computed() -> None:
    async with registry_that(describing(digest=None)) as (registry, _):
        assert (await registry.get_manifest("a", "v1")).descriptor == DESCRIBED


@pytest.mark.parametrize(
    "missing", [{"digest": None}, {"digest": ""}, {"content_type": "text/plain"}]
)
async def test_a_head_that_does_not_describe_the_manifest_is_followed_by_a_get(
    missing: dict[str, str | None],
) -> None:
    """Older registries have no Docker-Content-Digest."""
    async with registry_that(describing(**missing)) as (registry, served):  # type: ignore[arg-type]
        assert await registry.resolve_manifest("a", "v1") == DESCRIBED
    assert served.targets == ["HEAD /v2/a/manifests/v1", "GET /v2/a/manifests/v1"]


async def test_a_head_of_another_manifest_is_refused() -> None:
    other = Digest.of(b"other")
    async with registry_that(describing()) as (registry, _):
        with pytest.raises(ManifestUnknown, match=f"answered with manifest {DIGEST}, not {other}"):
            await registry.resolve_manifest("a", other)


async def test_a_registry_may_state_a_digest_of_another_algorithm() -> None:
    """The bytes decide."""
    long = Digest.of(MANIFEST, "sha512")
    async with registry_that(describing()) as (registry, served):
        assert (await registry.resolve_manifest("a", long)).digest == long
    assert len(served.received) == 2


@pytest.mark.parametrize(
    "stated, known",
    [
        (media_types.DOCKER_SCHEMA_1_SIGNED, media_types.DOCKER_SCHEMA_1_SIGNED),
        ("application/vnd.example+json; charset=utf-8", "application/vnd.example+json"),
        ("application/json", OCI),
        ("text/plain; charset=utf-8", OCI),
        ("application/octet-stream", OCI),
        (None, OCI),
    ],
)
async def test_the_media_type_is_the_answers_or_if_that_says_nothing_the_manifests(
    stated: str | None, known: str
) -> None:
    async with registry_that(describing(content_type=stated)) as (registry, _):
        assert (await registry.get_manifest("a", "v1")).media_type == known


async def test_what_is_no_manifest_is_refused() -> None:
    page = b"<html>log in here</html>"
    answers = describing(page, "application/octet-stream", None)
    async with registry_that(answers) as (registry, _):
        with pytest.raises(ManifestUnknown, match="not valid JSON"):
            await registry.get_manifest("a", "v1")


async def test_a_manifest_that_is_too_large_is_not_read() -> None:
    large = describing(b" " * (MAX_MANIFEST_BYTES + 1), digest=None)
    async with registry_that(large) as (registry, _):
        with pytest.raises(Unavailable, match=f"more than {MAX_MANIFEST_BYTES} bytes"):
            await registry.get_manifest("a", "v1")


async def test_a_malformed_digest_is_the_registrys_fault() -> None:
    async with registry_that(describing(digest="sha256:short")) as (registry, _):
        with pytest.raises(Unavailable, match="Docker-Content-Digest: 'sha256:short'"):
            await registry.get_manifest("a", "v1")


def error_answer(status: int, code: str = "") -> web.Response:
    body = {"errors": [{"code": code, "message": "so it is"}]} if code else None
    return web.json_response(body, status=status) if body else web.Response(status=status)


@pytest.mark.parametrize(
    "status, code, error, says",
    [
        (404, "", ManifestUnknown, "manifest v1 is unknown"),
        (404, "NAME_UNKNOWN", ManifestUnknown, "manifest v1 is unknown: so it is"),
        (404, "MANIFEST_UNKNOWN", ManifestUnknown, "so it is"),
        (401, "UNAUTHORIZED", Unauthorized, "so it is; log in, such as with `docker login"),
        (403, "DENIED", Denied, "so it is; check the permissions of the account"),
        (409, "DENIED", Denied, "so it is$"),
        (429, "TOOMANYREQUESTS", TooManyRequests, "so it is; try again later"),
        (500, "UNKNOWN", RegistryError, "the registry answered with status 500: UNKNOWN: so it is"),
    ],
)
async def test_an_error_names_the_registry_and_the_repository_and_what_to_do(
    status: int, code: str, error: type[RegistryError], says: str
) -> None:
    async with registry_that(lambda _: error_answer(status, code)) as (registry, served):
        with pytest.raises(error, match=rf"^127\.0\.0\.1:{served.port}/team/app: {says}") as raised:
            await registry.get_manifest("team/app", "v1")
    assert type(raised.value) is error


def pushing(headers: Mapping[str, str] = MappingProxyType({})) -> Handler:
    """Return a registry that takes every manifest."""
    return lambda _: web.Response(status=201, headers=headers)


async def push(registry: HttpRegistry, *tags: str, long: bool = False) -> None:
    digest = Digest.of(MANIFEST, "sha512") if long else None
    await registry.push_manifest("a", parse_manifest(MANIFEST, digest=digest), tags)


async def test_our_registry_sets_all_tags_in_one_request(server: Served) -> None:
    store = MemoryStore()
    async with client_of(server, StoredRegistry(store)) as registry:
        for blob in (CONFIG, b"layer"):
            await push_blob(registry, "a", blob)
        server.requests.clear()
        await push(registry, "v1", "v1.0", "latest")
    query = "tag=v1&tag=v1.0&tag=latest"
    assert server.requests == [f"PUT /v2/a/manifests/{DIGEST}?{query}"]


async def test_a_registry_that_ignores_the_parameter_gets_a_put_for_each_tag() -> None:
    async with registry_that(pushing()) as (registry, served):
        await push(registry, "v1", "v2")
    assert served.targets == [
        f"PUT /v2/a/manifests/{DIGEST}?tag=v1&tag=v2",
        "PUT /v2/a/manifests/v1",
        "PUT /v2/a/manifests/v2",
    ]
    assert {each.body for each in served.received} == {MANIFEST}
    assert {each.headers["Content-Type"] for each in served.received} == {OCI}


async def test_only_the_tags_that_were_not_set_are_pushed_again() -> None:
    headers = {"OCI-Tag": "v1,  v3"}
    async with registry_that(pushing(headers)) as (registry, served):
        await push(registry, "v1", "v2", "v3")
    assert served.targets[1:] == ["PUT /v2/a/manifests/v2"]


async def test_a_sha512_is_not_replaced_by_another_digest_for_the_sake_of_a_tag() -> None:
    async with registry_that(pushing()) as (registry, _):
        with pytest.raises(Unsupported, match="cannot set tag v1 to sha512:"):
            await push(registry, "v1", long=True)


async def test_a_manifest_that_was_stored_under_another_digest_is_not_acknowledged() -> None:
    headers = {"Docker-Content-Digest": str(Digest.of(b"other"))}
    async with registry_that(pushing(headers)) as (registry, _):
        with pytest.raises(DigestInvalid, match="has stored the manifest"):
            await push(registry, "v1")


async def test_an_unknown_repository_is_not_an_unknown_manifest_when_one_is_pushed() -> None:
    async with registry_that(lambda _: error_answer(404, "NAME_UNKNOWN")) as (registry, _):
        with pytest.raises(NameUnknown, match="/a: so it is"):
            await push(registry, "v1")


async def test_a_registry_that_knows_the_subject_says_so_and_another_does_not() -> None:
    manifest = parse_manifest(MANIFEST)
    for headers, subject in (({"OCI-Subject": str(DIGEST)}, DIGEST), ({}, None)):
        async with registry_that(pushing(headers)) as (registry, _):
            assert (await registry.push_manifest("a", manifest)).subject == subject


NEW = Precondition.parse(None, "*")


async def test_a_precondition_is_sent_and_where_it_is_ignored_looked_at_before() -> None:
    def ignoring(request: Received) -> web.Response:
        return manifest_answer(status=201 if request.method == "PUT" else 200)

    async with registry_that(ignoring) as (registry, served):
        with pytest.raises(PreconditionFailed):
            await registry.push_manifest("a", parse_manifest(MANIFEST), ["v1"], NEW)
        assert served.targets == ["HEAD /v2/a/manifests/v1"]

    def missing(request: Received) -> web.Response:
        return error_answer(201 if request.method == "PUT" else 404)

    async with registry_that(missing) as (registry, served):
        await registry.push_manifest("a", parse_manifest(MANIFEST), ["v1"], NEW)
    assert served.received[-1].headers["If-None-Match"] == "*"


async def test_a_conditional_push_whose_answer_is_lost_is_not_sent_again() -> None:
    """The precondition would not hold any more: the push itself was in its way."""

    def failing(request: Received) -> web.Response:
        return error_answer(503 if request.method == "PUT" else 404)

    async with registry_that(failing) as (registry, served):
        with pytest.raises(Unavailable):
            await registry.push_manifest("a", parse_manifest(MANIFEST), ["v1"], NEW)
    assert [each.method for each in served.received] == ["HEAD", "PUT"]
