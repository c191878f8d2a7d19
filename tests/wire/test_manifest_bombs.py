"""Malicious manifests: refused in bounded time, without storing anything."""

import json
import time

import pytest

from registry_core.spec.digest import Digest
from registry_core.spec.manifest import MAX_MANIFEST_BYTES
from tests.support.content import CONFIG, image_manifest, in_pieces
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

GOOD = image_manifest()
DEEP = 100_000

# Seconds, generous for a busy machine; without limits the worst takes longer to parse.
BOUND = 5.0


def padded(value: str) -> bytes:
    """Return a valid manifest with one unknown field of this value."""
    return GOOD[:-1] + f', "x": {value}}}'.encode()


def filled(unit: str) -> str:
    """Return a list that repeats ``unit`` almost up to the size limit."""
    return f"[{(unit * ((MAX_MANIFEST_BYTES - 2000) // len(unit)))[:-1]}]"


BOMBS = {
    "deep list": b"[" * DEEP + b"]" * DEEP,
    "deep object": padded('{"a":' * DEEP + "1" + "}" * DEEP),
    "deep and open": b"[" * MAX_MANIFEST_BYTES,
    "deep objects and open": b'{"a":' * (MAX_MANIFEST_BYTES // 5),
    "an integer of a million digits": padded("1" * 10**6),
    "NaN": padded("NaN"),
    "Infinity": padded("-Infinity"),
    "280,000 keys": padded(json.dumps(dict.fromkeys(map(str, range(280_000)), 1))),
    "numbers": padded(filled("1,")),
    "fractions": padded(filled("1.5,")),
    "empty lists": padded(filled("[],")),
    "objects": padded(filled('{"a":1},')),
    "a key twice": padded('{"a": 1, "a": 1}'),
    "a field twice": GOOD[:-1] + b', "layers": []}',
    "a field in another case": GOOD[:-1] + b', "Layers": []}',
    "half a surrogate pair": image_manifest(annotations={"a": "\ud800"}),
    "half a surrogate pair, raw": padded('"?"').replace(b"?", b"\xed\xa0\x80"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "a text": b'"schemaVersion"',
    "a number": b"2",
    "null": b"null",
    "only spaces": b" " * MAX_MANIFEST_BYTES,
    "an open text": padded('"' + "a" * (MAX_MANIFEST_BYTES - 2000))[:-1],
    "NUL": b"\0" * 1000,
}


@pytest.mark.parametrize("name", BOMBS)
async def test_a_malicious_manifest_is_refused(wire: Wire, name: str) -> None:
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        begin = time.monotonic()
        answer = await wire.put_manifest("v1", BOMBS[name])
        assert len(assert_error(answer, 400, "MANIFEST_INVALID")) < 600
        assert time.monotonic() - begin < BOUND
    absent = await wire.client.get(f"{wire.base}/manifests/v1")
    assert_error(absent, 404, "MANIFEST_UNKNOWN")


@pytest.mark.every_host
async def test_a_large_valid_manifest_is_accepted(wire: Wire) -> None:
    """390 annotations of 10 kB, just below the limit."""
    await wire.push_blob(CONFIG)
    manifest = image_manifest(annotations={f"key-{i}": "x" * 10_000 for i in range(390)})
    assert 3.5 * 2**20 < len(manifest) < MAX_MANIFEST_BYTES
    assert (await wire.put_manifest("v1", manifest)).status_code == 201
    pulled = await wire.client.get(f"{wire.base}/manifests/v1")
    assert Digest.of(pulled.content) == Digest.of(manifest)


def sized(size: int) -> bytes:
    """Return a valid manifest of exactly ``size`` bytes."""
    return GOOD + b" " * (size - len(GOOD))


@pytest.mark.every_host
async def test_the_limit_is_exactly_four_mebibytes(wire: Wire) -> None:
    await wire.push_blob(CONFIG)
    accepted = await wire.put_manifest("v1", sized(MAX_MANIFEST_BYTES))
    assert accepted.status_code == 201, accepted.text
    with wire.nothing_new_in_storage():
        for content in (sized(MAX_MANIFEST_BYTES + 1), json.dumps([0] * 2**21).encode()):
            assert_error(await wire.put_manifest("v2", content), 413, "MANIFEST_INVALID")


@pytest.mark.every_host
@pytest.mark.parametrize("piece", [1000, 2**20])
async def test_the_limit_holds_for_a_manifest_without_a_length(wire: Wire, piece: int) -> None:
    """Chunked transfer encoding."""
    await wire.push_blob(CONFIG)
    url = f"{wire.base}/manifests/v1"
    with wire.nothing_new_in_storage():
        answer = await wire.client.put(url, content=in_pieces(sized(2 * MAX_MANIFEST_BYTES), piece))
        assert_error(answer, 413, "MANIFEST_INVALID")
    assert_error(await wire.client.get(url), 404, "MANIFEST_UNKNOWN")
