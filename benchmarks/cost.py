"""`python -m benchmarks.cost`: the CPU time and answer size of each kind of request.

Prints the measured lines of tools/cost/measured.toml. Starts Azurite and four hosts: the measured
one, one that pushes what the first has not seen, one that streams, and one that issues tokens.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from registry_core.auth.tokens.keys import SigningKey
from registry_core.serve.azurite import Azurite, AzuriteError
from tools.process_meter import ProcessMeter

from .auth import PASSWORD, SERVICE, basic, builtin_settings, htpasswd
from .connection import Answer, Connection, Unexpected
from .content import MANIFEST_TYPE, Content, Image, new_content, new_image
from .hosts import Host, HostFailed, local_host, new_storage
from .registry_client import OCTETS, RegistryClient, target_of
from .scale import KIB, MIB

REPOSITORY = "benchmark/cost"
BASE = f"/v2/{REPOSITORY}"
_ACCEPT = {"Accept": MANIFEST_TYPE}


@dataclass(frozen=True)
class Scale:
    """The number of cold requests of each kind, and how often each is repeated when warm."""

    images: int = 100
    again: int = 5
    larges: int = 8
    large: int = 32 * MIB
    users: int = 40


QUICK = Scale(images=2, again=1, larges=1, large=9 * MIB, users=2)


@dataclass(frozen=True)
class Request:
    """One request. ``content`` is sent chunked, ``body`` with a length."""

    method: str
    target: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Content | None = None
    body: bytes | None = None

    def send(self, connection: Connection) -> Answer:
        """Send it. :raises Unexpected: when the answer has another status."""
        headers = dict(self.headers)
        body: bytes | Iterator[bytes] | None = self.body
        if self.content is not None:
            headers |= {"Content-Type": OCTETS, "Transfer-Encoding": "chunked"}
            body = self.content.chunked_pieces()
        return connection.request(
            self.method, self.target, body=body, headers=headers, expect=[self.status]
        )


@dataclass(frozen=True)
class Cost:
    """The average cost of a request: CPU time, and the size of an answer with its headers.

    The content of a streamed blob is not counted. ``locations`` has those of all answers.
    """

    cpu_ms: float
    answer_bytes: int
    locations: Sequence[str]


_REDIRECTED = 128 * KIB  # more than `REGISTRY_STORAGE_REDIRECT_MINSIZE`

Row = tuple[str, Cost, Cost, float]
"""A kind of request: its name, its cost cold and warm, and CPU milliseconds per MiB of body."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when measuring failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests: a smoke test")
    scale = QUICK if parser.parse_args(arguments).quick else Scale()
    version = ".".join(platform.python_version_tuple()[:2])
    print("[benchmark]", f'date = "{time.strftime("%Y-%m-%d")}"', sep="\n")
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {version}"
    print(f'machine = "{machine}, load {os.getloadavg()[0]:.0f}"', flush=True)
    try:
        with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder)) as azurite:
            for name, cold, warm, per_mib in _measure(azurite, scale):
                print(f"\n[request.{name}]\ncpu_ms = [{cold.cpu_ms:.2f}, {warm.cpu_ms:.2f}]")
                if per_mib:
                    print(f"cpu_mib = {per_mib:.2f}")
                print(f"answer = {warm.answer_bytes}", flush=True)
    except (AzuriteError, HostFailed, Unexpected) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(azurite: Azurite, scale: Scale) -> Iterator[Row]:
    storage, _ = new_storage(azurite)
    storage |= {"REGISTRY_STORAGE_CACHE_MEMBERSHIP": "3600", "REGISTRY_AUTH": "none"}
    with local_host(storage) as seed, local_host(storage) as measured:
        yield from _reads(seed, measured, scale)
        yield from _uploads(measured, scale)
        with local_host({**storage, "REGISTRY_STORAGE_REDIRECT_DISABLE": "true"}) as streaming:
            yield _streaming(seed, streaming, scale)
    users = [f"user-{number}" for number in range(scale.users)]
    login = builtin_settings(SigningKey.generate(), htpasswd(users))
    with local_host({**storage, **login, "REGISTRY_AUTH": "builtin"}) as issuer:
        tokens = [_get_token(user) for user in users]
        yield "token", _cost(issuer, tokens), _cost(issuer, tokens * scale.again), 0.0


def _reads(seed: Host, host: Host, scale: Scale) -> Iterator[Row]:
    """Each kind has images of its own: reading one part of an image warms the caches of others."""
    yield "ask", *_cold_and_warm(host, [Request("GET", "/v2/", 200)] * scale.images, scale), 0.0
    for name, read in _READS.items():
        layer = _REDIRECTED if name == "get_blob" else 4 * KIB
        requests = [read(image) for image in _pushed(seed, scale.images, layer)]
        yield name, *_cold_and_warm(host, requests, scale), 0.0


def _cold_and_warm(host: Host, requests: Sequence[Request], scale: Scale) -> tuple[Cost, Cost]:
    return _cost(host, requests), _cost(host, [*requests] * scale.again)


def _pushed(seed: Host, number: int, layer: int = 4 * KIB) -> Sequence[Image]:
    images = [new_image(layer) for _ in range(number)]
    with RegistryClient(seed.url, REPOSITORY) as client:
        for image in images:
            client.push_by_put(image.layer)
            client.push_by_put(image.config)
            client.push_manifest(image, _tag(image))
    return images


def _uploads(host: Host, scale: Scale) -> Iterator[Row]:
    """An instance that has seen an upload saves nothing on the next: cold and warm are equal."""
    images = [new_image() for _ in range(scale.images)]
    for layer in (True, False):
        contents = [image.layer if layer else image.config for image in images]
        started = _cost(host, [_start()] * len(contents))
        patched = _cost(host, list(map(_patch, started.locations, contents)))
        closed = _cost(host, list(map(_close, patched.locations, contents)))
    manifests = _cost(host, [_put_manifest(image) for image in images])
    larges = [new_content(scale.large) for _ in range(scale.larges)]
    locations = _cost(host, [_start()] * len(larges)).locations
    sent = _cost(host, list(map(_patch, locations, larges)))
    ended = _cost(host, list(map(_close, sent.locations, larges)))
    per_mib = _per_mib(sent, patched, scale)
    yield "start_upload", started, started, 0.0
    yield "patch_small", patched, patched, 0.0
    yield "close_small", closed, closed, 0.0
    yield "patch_large", patched, patched, per_mib
    yield "close_large", ended, ended, 0.0
    yield "put_manifest", manifests, manifests, 0.0


def _streaming(seed: Host, host: Host, scale: Scale) -> Row:
    images, larges = _pushed(seed, scale.images), _pushed(seed, scale.larges, scale.large)
    requests = [_stream(image) for image in images]
    cold, warm = _cost(host, requests), _cost(host, requests * scale.again)
    large = _cost(host, [_stream(image) for image in larges])
    return "stream_blob", cold, warm, _per_mib(large, cold, scale)


def _per_mib(large: Cost, small: Cost, scale: Scale) -> float:
    return max(0.0, large.cpu_ms - small.cpu_ms) / (scale.large / MIB)


def _cost(host: Host, requests: Sequence[Request]) -> Cost:
    """Send the requests one after the other over one connection."""
    meter, locations, size = ProcessMeter(host.pid), [], 0
    with Connection(host.url) as connection:
        connection.request("GET", "/", expect=[200])
        before = meter.cpu_seconds()
        for request in requests:
            answer = request.send(connection)
            size = _size(answer)
            locations.append(answer.headers.get("location", ""))
        spent = meter.cpu_seconds() - before
    return Cost(1000 * spent / len(requests), size, locations)


def _size(answer: Answer) -> int:
    head = sum(len(name) + len(value) + len(": \r\n") for name, value in answer.headers.items())
    streamed = answer.status == 200 and OCTETS in answer.headers.get("content-type", "")
    return len("HTTP/1.1 200 OK\r\n\r\n") + head + (0 if streamed else answer.size)


def _tag(image: Image) -> str:
    return image.digest.removeprefix("sha256:")


def _manifest(reference: str, method: str = "GET") -> Request:
    return Request(method, f"{BASE}/manifests/{reference}", 200, _ACCEPT)


def _blob(method: str, digest: str, status: int) -> Request:
    return Request(method, f"{BASE}/blobs/{digest}", status)


_READS: Mapping[str, Callable[[Image], Request]] = {
    "head_manifest_by_tag": lambda image: _manifest(_tag(image), "HEAD"),
    "get_manifest_by_tag": lambda image: _manifest(_tag(image)),
    "get_manifest_by_digest": lambda image: _manifest(image.digest),
    "head_blob": lambda image: _blob("HEAD", image.layer.digest, 200),
    "head_missing_blob": lambda image: _blob("HEAD", f"sha256:{image.layer.digest[:6:-1]}", 404),
    "get_blob": lambda image: _blob("GET", image.layer.digest, 307),
    "get_small_blob": lambda image: _blob("GET", image.layer.digest, 200),
}
"""By the names in the cost model. The tag of an image is the hex of its digest."""


def _stream(image: Image) -> Request:
    return _blob("GET", image.layer.digest, 200)


def _start() -> Request:
    return Request("POST", f"{BASE}/blobs/uploads/", 202)


def _patch(location: str, content: Content) -> Request:
    return Request("PATCH", target_of(location), 202, content=content)


def _close(location: str, content: Content) -> Request:
    return Request("PUT", f"{target_of(location)}&digest={content.digest}", 201)


def _put_manifest(image: Image) -> Request:
    headers = {"Content-Type": MANIFEST_TYPE}
    return Request("PUT", f"{BASE}/manifests/latest", 201, headers, body=image.manifest)


def _get_token(user: str) -> Request:
    target = f"/auth/token?service={SERVICE}&scope=repository:{REPOSITORY}:pull"
    return Request("GET", target, 200, {"Authorization": basic(user, PASSWORD)})


if __name__ == "__main__":
    sys.exit(main())
