"""``REGISTRY_AUTH=token`` over HTTP: challenges, grants, uploads that outlive their token."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from registry_core.server.authorize import LONGEST_PUSH
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, descriptor, image_manifest
from tests.support.wire import Wire, assert_error

from .guarded import MINUTES, REALM, SERVICE, Guarded, guarded

pytestmark = pytest.mark.anyio

LAYER = b"a layer"
DIGEST = Digest.of(LAYER)


@pytest.fixture
async def registry() -> AsyncIterator[Guarded]:
    async with guarded() as made:
        yield made


@pytest.mark.parametrize(
    "method, path, scope",
    [
        ("GET", "/v2/", None),
        ("GET", "/v2/a/tags/list", "repository:a:pull"),
        ("HEAD", "/v2/a/manifests/v1", "repository:a:pull"),
        ("PUT", "/v2/a/manifests/v1", "repository:a:pull,push"),
        ("DELETE", "/v2/a/manifests/v1", "repository:a:delete"),
        ("GET", f"/v2/a/b/blobs/{DIGEST}", "repository:a/b:pull"),
        ("POST", "/v2/a/blobs/uploads/", "repository:a:pull,push"),
        (
            "POST",
            f"/v2/a/blobs/uploads/?mount={DIGEST}&from=b",
            "repository:a:pull,push repository:b:pull",
        ),
        ("POST", f"/v2/a/blobs/uploads/?mount={DIGEST}&from=a", "repository:a:pull,push"),
        ("POST", f"/v2/a/blobs/uploads/?mount={DIGEST}", "repository:a:pull,push"),
        ("POST", f"/v2/a/blobs/uploads/?mount={DIGEST}&from=B", "repository:a:pull,push"),
        ("POST", "/v2/a/blobs/uploads/?mount=x&from=b", "repository:a:pull,push"),
        ("DELETE", "/v2/a/blobs/uploads/x", "repository:a:push"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
    ],
)
async def test_a_request_without_a_token_gets_a_challenge(
    registry: Guarded, method: str, path: str, scope: str | None
) -> None:
    """Docker's token specification: realm, service, and one scope parameter; no error."""
    answer = await registry.client.request(method, path)
    expected = f'Bearer realm="{REALM}",service="{SERVICE}"'
    assert answer.status_code == 401
    assert answer.headers.get_list("WWW-Authenticate") == [
        expected + (f',scope="{scope}"' if scope else "")
    ]
    if method != "HEAD":
        assert_error(answer, 401, "UNAUTHORIZED")
    assert registry.store.take() == []


async def test_a_token_grants_push_and_pull(registry: Guarded) -> None:
    writer = registry.granted("a")
    manifest = await writer.push_image("v1", LAYER)
    reader = registry.granted("a", "pull", sub="bob")
    answer = await reader.client.get("/v2/a/manifests/v1")
    assert answer.content == manifest
    assert (await reader.client.get("/v2/")).status_code == 200


async def test_scopes_that_a_token_does_not_grant_are_refused(registry: Guarded) -> None:
    reader = registry.granted("a", "pull")
    for method, path, scope in (
        ("POST", "/v2/a/blobs/uploads/", "repository:a:pull,push"),
        ("DELETE", "/v2/a/manifests/v1", "repository:a:delete"),
        ("DELETE", f"/v2/a/blobs/{DIGEST}", "repository:a:delete"),
        ("GET", "/v2/b/tags/list", "repository:b:pull"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
    ):
        answer = await reader.client.request(method, path)
        assert_error(answer, 401, "UNAUTHORIZED")
        end = f'scope="{scope}",error="insufficient_scope"'
        assert answer.headers["WWW-Authenticate"].endswith(end)
    assert registry.store.take() == []


async def test_the_catalog_must_be_granted(registry: Guarded) -> None:
    await registry.granted("a").push_image("v1", LAYER)
    lister = registry.wire("a", registry.token("registry:catalog:*"))
    assert (await lister.client.get("/v2/_catalog")).json() == {"repositories": ["a"]}


async def test_an_invalid_token_gets_the_error_invalid_token(registry: Guarded) -> None:
    registry.clock.pass_by(-10 * MINUTES)
    expired = registry.granted("a")
    registry.clock.pass_by(10 * MINUTES)
    for path in ("/v2/", "/v2/a/tags/list"):
        answer = await expired.client.get(path)
        assert_error(answer, 401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].endswith(',error="invalid_token"')


async def test_a_token_costs_no_storage_call(registry: Guarded) -> None:
    """Nor does a refusal."""
    await registry.granted("a").push_image("v1", LAYER)
    registry.store.take()
    assert (await registry.granted("a", "pull").client.get("/v2/")).status_code == 200
    assert registry.store.take() == []
    await registry.granted("a", "pull").client.head("/v2/a/manifests/v1")
    assert len(registry.store.take()) == 1


async def test_an_upload_outlives_the_token_it_began_with(registry: Guarded) -> None:
    """In a push of twenty minutes with a token of five, once bytes of it have arrived."""
    writer = registry.granted("a")
    location = (await writer.patch(await writer.start(), LAYER[:3])).headers["Location"]
    registry.clock.pass_by(10 * MINUTES)
    location = (await writer.patch(location, LAYER[3:4])).headers["Location"]
    assert (await writer.client.get(location)).status_code == 204
    registry.clock.pass_by(10 * MINUTES)
    assert (await writer.finish(location, DIGEST, LAYER[4:])).status_code == 201
    await _all_else_is_refused(writer)


async def test_an_upload_without_bytes_does_not_outlive_its_token(registry: Guarded) -> None:
    """Else whoever has lost the right to push could begin another one with each location."""
    writer = registry.granted("a")
    location = await writer.start()
    registry.clock.pass_by(10 * MINUTES)
    for answer in (
        await writer.patch(location, LAYER),
        await writer.finish(location, DIGEST, LAYER),
        await writer.client.get(location),
        await writer.client.delete(location),
    ):
        assert_error(answer, 401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].endswith(',error="invalid_token"')
    newer = registry.granted("a")
    assert (await newer.finish(location, DIGEST, LAYER)).status_code == 201


async def test_with_an_expired_token_an_upload_makes_one_blob(registry: Guarded) -> None:
    """Its location serves for no other, however often the answer is lost."""
    writer = registry.granted("a")
    location = (await writer.patch(await writer.start(), LAYER[:3])).headers["Location"]
    registry.clock.pass_by(10 * MINUTES)
    for _ in range(2):
        assert (await writer.finish(location, DIGEST, LAYER[3:])).status_code == 201
    other = LAYER[:3] + b"something else"
    answer = await writer.finish(location, Digest.of(other), other[3:])
    assert_error(answer, 404, "BLOB_UPLOAD_UNKNOWN")
    reader = registry.granted("a", "pull")
    assert (await reader.client.head(f"/v2/a/blobs/{Digest.of(other)}")).status_code == 404


async def test_the_end_of_an_upload_costs_a_call_more_with_an_expired_token_only(
    registry: Guarded,
) -> None:
    writer = registry.granted("a")
    for content, minutes, calls in ((b"one", 0, ["put"]), (b"two", 10, ["put", "put"])):
        location = (await writer.patch(await writer.start(), content)).headers["Location"]
        registry.clock.pass_by(minutes * MINUTES)
        registry.store.take()
        assert (await writer.finish(location, Digest.of(content))).status_code == 201
        assert registry.store.take() == calls


async def test_an_upload_may_be_cancelled_after_its_token_expired(registry: Guarded) -> None:
    writer = registry.granted("a")
    location = (await writer.patch(await writer.start(), LAYER[:3])).headers["Location"]
    registry.clock.pass_by(10 * MINUTES)
    assert (await writer.client.delete(location)).status_code == 204
    await _all_else_is_refused(writer)


async def _all_else_is_refused(writer: Wire) -> None:
    """The expired token is valid for the upload only."""
    for method, path in (
        ("GET", "/v2/"),
        ("POST", "/v2/a/blobs/uploads/"),
        ("PATCH", "/v2/a/blobs/uploads/x"),
        ("PATCH", "/v2/a/blobs/uploads/x?_state=y"),
        ("HEAD", f"/v2/a/blobs/{DIGEST}"),
        ("PUT", "/v2/a/manifests/v1"),
    ):
        answer = await writer.client.request(method, path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].endswith('error="invalid_token"')


async def test_an_upload_continues_with_a_newer_token(registry: Guarded) -> None:
    """Even with one that was not valid yet when the upload began."""
    location = await registry.granted("a").start()
    registry.clock.pass_by(10 * MINUTES)
    later = registry.granted("a")
    assert (await later.finish(location, DIGEST, LAYER)).status_code == 201


async def test_a_token_that_had_expired_before_the_upload_is_refused(registry: Guarded) -> None:
    earlier = registry.granted("a")
    registry.clock.pass_by(10 * MINUTES)
    writer = registry.granted("a")
    location = (await writer.patch(await writer.start(), LAYER[:3])).headers["Location"]
    answer = await earlier.finish(location, DIGEST, LAYER[3:])
    assert_error(answer, 401, "UNAUTHORIZED")


async def test_an_expired_token_is_not_accepted_for_ever(registry: Guarded) -> None:
    """After two hours the upload continues with a new token only."""
    writer = registry.granted("a")
    location = (await writer.patch(await writer.start(), LAYER[:3])).headers["Location"]
    registry.clock.pass_by(LONGEST_PUSH + 1)
    assert_error(await writer.finish(location, DIGEST, LAYER[3:]), 401, "UNAUTHORIZED")
    newer = registry.granted("a")
    assert (await newer.finish(location, DIGEST, LAYER[3:])).status_code == 201


async def test_an_upload_that_is_staged_outlives_its_token(registry: Guarded) -> None:
    """Its bytes go to storage, so the registry has seen none. Memory has no staging."""
    writer = registry.granted("a")
    location = await writer.start()
    registry.clock.pass_by(LONGEST_PUSH - 1)
    assert (await writer.client.get(f"{location}&staging=1")).status_code == 204
    finish = f"{location}&digest={DIGEST}&blocks=1"
    assert_error(await writer.client.put(finish), 404, "BLOB_UPLOAD_UNKNOWN")
    assert_error(await writer.client.get(location), 401, "UNAUTHORIZED")
    registry.clock.pass_by(2)
    assert_error(await writer.client.get(f"{location}&staging=1"), 401, "UNAUTHORIZED")
    assert_error(await writer.client.put(finish), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("minutes", [0, 10])
async def test_nobody_else_can_continue_an_upload(registry: Guarded, minutes: float) -> None:
    """Even if they may push there and have its state."""
    writer, other = registry.granted("a"), registry.granted("a", sub="mallory")
    location = (await writer.patch(await writer.start(), LAYER[:3])).headers["Location"]
    registry.clock.pass_by(minutes * MINUTES)
    for answer in (
        await other.client.get(location),
        await other.patch(location, LAYER),
        await other.finish(location, DIGEST, LAYER),
        await other.client.delete(location),
    ):
        assert_error(answer, 404, "BLOB_UPLOAD_UNKNOWN")
    assert (await writer.finish(location, DIGEST, LAYER[3:])).status_code == 201


async def test_the_owner_of_an_upload_still_needs_the_push_scope(registry: Guarded) -> None:
    """Neither having begun it nor its state replaces a scope that a later token lacks."""
    location = await registry.granted("a").start()
    assert_error(await registry.granted("a", "pull").patch(location, LAYER), 401, "UNAUTHORIZED")
    assert_error(await registry.wire("a").patch(location, LAYER), 401, "UNAUTHORIZED")


def plugin_manifest() -> bytes:
    config = descriptor(CONFIG, media_types.DOCKER_PLUGIN_CONFIG)
    return image_manifest(mediaType=media_types.DOCKER_MANIFEST, config=config)


@pytest.mark.parametrize(
    "granted, allowed, content, message",
    [
        ("repository", {"image"}, image_manifest(), ""),
        ("repository(image)", {"image"}, image_manifest(), ""),
        ("repository(plugin)", {"image", "plugin"}, plugin_manifest(), ""),
        ("repository", {"image", "plugin"}, plugin_manifest(), "the token does not allow"),
        (
            "repository(plugin)",
            {"image", "plugin"},
            image_manifest(),
            "the token does not allow",
        ),
        ("repository(plugin)", {"image"}, plugin_manifest(), "the registry does not accept"),
        ("repository", set(), plugin_manifest(), ""),
    ],
)
async def test_classes_are_distinguished(
    granted: str, allowed: set[str], content: bytes, message: str
) -> None:
    """By ``REGISTRY_POLICY_REPOSITORY_CLASSES`` and by the class that a token names."""
    async with guarded(frozenset(allowed)) as registry:
        writer = registry.wire("a", registry.token(f"{granted}:a:pull,push"))
        await writer.push_blob(CONFIG)
        media_type = json.loads(content)["mediaType"]
        answer = await writer.put_manifest("v1", content, media_type)
        if message:
            assert assert_error(answer, 403, "DENIED").startswith(message)
        else:
            assert answer.status_code == 201


async def test_an_artifact_has_no_class() -> None:
    """If classes are set, anything but images and plugins is refused, as by distribution."""
    config = descriptor(CONFIG, media_types.OCI_EMPTY)
    for allowed, status in ((frozenset({"image", "plugin"}), 403), (frozenset[str](), 201)):
        async with guarded(allowed) as registry:
            writer = registry.granted("a")
            await writer.push_blob(CONFIG)
            answer = await writer.put_manifest("v1", image_manifest(config=config))
            assert answer.status_code == status
