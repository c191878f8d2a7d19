"""The storage calls in measured.toml, compared with those of each request on Azurite."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import pytest

from registry_core.auth.tokens.keys import SigningKey
from registry_core.config import read_settings
from registry_core.object_store.azure.error_codes import SIGNING
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from tests.support.access_modes import SERVICE, basic, htpasswd, password
from tests.support.content import image_manifest, random_bytes
from tests.support.host import PROJECT
from tests.support.storage_calls import Stack, counted
from tests.support.wire import Wire
from tools.cost.measured import CLASSES, read_measured

pytestmark = pytest.mark.anyio

T = TypeVar("T")
KINDS = read_measured().kinds
SMALL, LARGE = b"a small layer", random_bytes(20 * 2**20)
REDIRECTED = random_bytes(2**17)
SIZES = {"stream_blob": len(LARGE), "patch_large": len(LARGE)}
MANIFEST = image_manifest(SMALL)
OPEN = {
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "unused",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
    "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
    "REGISTRY_AUTH": "none",
}
STREAMING = {"REGISTRY_STORAGE_REDIRECT_DISABLE": "true"}


@dataclass(frozen=True)
class Scene:
    """A request to a new instance, which is sent twice."""

    prepare: Callable[[Wire], Awaitable[object]]
    """Run by another instance."""
    send: Callable[[Wire], Awaitable[int]]
    """Send the counted request; return the status."""
    status: int
    blobs: int = 0
    between: int = 0
    """How many more requests there are between the cold one and the warm one."""


def sending(method: str, path: str) -> Callable[[Wire], Awaitable[int]]:
    async def send(wire: Wire) -> int:
        answer = await wire.client.request(method, path.replace("{base}", wire.base))
        return answer.status_code

    return send


async def nothing(_wire: Wire) -> None:
    """Prepare nothing."""


async def image(wire: Wire) -> None:
    await wire.push_image("v1", SMALL)


async def large_blob(wire: Wire) -> None:
    await wire.push_blob(LARGE)


async def redirected_blob(wire: Wire) -> None:
    await wire.push_blob(REDIRECTED)


NUMBERS = count()


async def push_manifest(wire: Wire) -> int:
    """Push a new manifest of existing blobs."""
    manifest = image_manifest(SMALL, annotations={"number": str(next(NUMBERS))})
    return (await wire.put_manifest("v2", manifest)).status_code


MANIFEST_PATH = f"{{base}}/manifests/{Digest.of(MANIFEST)}"
SMALL_PATH, LARGE_PATH, REDIRECTED_PATH = (
    f"{{base}}/blobs/{Digest.of(blob)}" for blob in (SMALL, LARGE, REDIRECTED)
)
SCENES = {
    "ask": Scene(nothing, sending("GET", "/v2/"), 200),
    "head_manifest_by_tag": Scene(image, sending("HEAD", "{base}/manifests/v1"), 200),
    "get_manifest_by_tag": Scene(image, sending("GET", "{base}/manifests/v1"), 200),
    "get_manifest_by_digest": Scene(image, sending("GET", MANIFEST_PATH), 200),
    "head_blob": Scene(image, sending("HEAD", SMALL_PATH), 200),
    "head_missing_blob": Scene(nothing, sending("HEAD", SMALL_PATH), 404),
    "get_blob": Scene(redirected_blob, sending("GET", REDIRECTED_PATH), 307),
    "get_small_blob": Scene(image, sending("GET", SMALL_PATH), 200),
    "stream_blob": Scene(large_blob, sending("GET", LARGE_PATH), 200),
    "start_upload": Scene(nothing, sending("POST", "{base}/blobs/uploads/"), 202),
    # The first push learns the repository's generation, the second looks up its blobs in it.
    "put_manifest": Scene(image, push_manifest, 201, blobs=2, between=1),
}


@pytest.fixture
async def stack(azurite: Azurite, container_name: str) -> AsyncIterator[Stack]:
    async with counted(azurite, container_name, read_settings(OPEN)) as stack:
        yield stack


@pytest.mark.parametrize("name", SCENES)
async def test_a_request_makes_the_calls_in_the_file(stack: Stack, name: str) -> None:
    """The first request to an instance is cold, the last one warm."""
    scene, kind = SCENES[name], KINDS[name]
    await scene.prepare(stack.new_instance())
    if name == "stream_blob":
        stack.settings = read_settings(OPEN | STREAMING)
    wire = stack.new_instance()
    each = list(kind.each) * math.ceil(SIZES.get(name, 0) / kind.each_bytes)

    cold, status = await counting(stack, scene.send(wire))
    assert status == scene.status
    assert Counter(cold) == Counter([*kind.cold, *each, *list(kind.each_blob) * scene.blobs])

    for _ in range(scene.between):
        await scene.send(wire)
    warm, status = await counting(stack, scene.send(wire))
    assert status == scene.status
    assert Counter(warm) == Counter([*kind.warm, *each])


@pytest.mark.parametrize("size, suffix", [(len(SMALL), "small"), (len(LARGE), "large")])
async def test_an_upload_makes_the_calls_in_the_file(stack: Stack, size: int, suffix: str) -> None:
    """By PATCH and PUT, as docker uploads; warm caches save nothing."""
    wire = stack.new_instance()
    patched, closed = KINDS[f"patch_{suffix}"], KINDS[f"close_{suffix}"]
    for seed in range(2):
        content = random_bytes(size, seed)
        location = await wire.start()
        calls, answer = await counting(stack, wire.patch(location, content))
        assert answer.status_code == 202
        each = list(patched.each) * math.ceil(size / patched.each_bytes)
        assert Counter(calls) == Counter([*(patched.warm if seed else patched.cold), *each])

        finish = wire.finish(answer.headers["Location"], Digest.of(content))
        calls, answer = await counting(stack, finish)
        assert answer.status_code == 201
        assert Counter(calls) == Counter(closed.warm if seed else closed.cold)


async def test_a_token_request_makes_the_calls_in_the_file(
    azurite: Azurite, container_name: str
) -> None:
    builtin = {
        "REGISTRY_AUTH": "builtin",
        "REGISTRY_AUTH_HTPASSWD_PATH": htpasswd(["reader"]),
        "REGISTRY_AUTH_BUILTIN_SERVICE": SERVICE,
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": SigningKey.generate().pem(),
    }
    async with counted(azurite, container_name, read_settings(OPEN | builtin)) as stack:
        client = stack.new_instance(keys=True).client
        for expected in (KINDS["token"].cold, KINDS["token"].warm):
            request = client.get(
                f"/auth/token?service={SERVICE}&scope=repository:a/b:pull",
                headers={"Authorization": basic("reader", password("reader"))},
            )
            calls, answer = await counting(stack, request)
            assert answer.json()["token"]
            assert Counter(calls) == Counter(expected)


def test_every_kind_is_counted() -> None:
    uploads = {f"{what}_{size}" for what in ("patch", "close") for size in ("small", "large")}
    assert KINDS.keys() == SCENES.keys() | uploads | {"token"}


def test_every_call_that_the_store_makes_has_a_class() -> None:
    """By the names that `object_store/azure` gives them; the file has no others."""
    pattern = re.compile(
        r'(?:send|read|write)\(\s*"([a-z_]+)"|operation(?:: str)?\s*=\s*"([a-z_]+)"'
    )
    made = {
        name[0] or name[1]
        for path in (PROJECT / "registry_core/object_store/azure").glob("*.py")
        for name in pattern.findall(path.read_text())
    }
    assert len(made) > 8
    assert made | {SIGNING} == read_measured().classes.keys()
    assert set(read_measured().classes.values()) <= set(CLASSES)


async def counting(stack: Stack, request: Awaitable[T]) -> tuple[Sequence[str], T]:
    """Await a request; return its storage calls and its answer."""
    stack.calls.clear()
    answer = await request
    return list(stack.calls), answer
