"""Images to push with `Pusher`, and what a registry logged about that."""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

import httpx

from registry_core.spec import media_types
from tests.support.containerd_pusher import Content, Image, Pusher, Sent
from tests.support.host import RunningHost
from tests.support.wire import NO_TLS

MIB = 1 << 20
LAYER = "application/vnd.oci.image.layer.v1.tar"

_NOISE = random.Random(20261128).randbytes(MIB)
_NONCE = 32

_REQUEST = re.compile(r"operation=(\w+) repository=(\S+) status=(\d+) .* storage=(\d+)")


def noise(size: int) -> Content:
    """Return a new layer. Its bytes are made while they are sent, however many there are."""
    nonce = os.urandom(_NONCE)

    def pieces() -> Iterator[bytes]:
        first = nonce + _NOISE[_NONCE:]
        yield first[:size]
        for start in range(MIB, size, MIB):
            yield _NOISE[: size - start]

    hasher = hashlib.sha256()
    for piece in pieces():
        hasher.update(piece)
    return Content(LAYER, f"sha256:{hasher.hexdigest()}", size, pieces)


def image(*layers: Content) -> Image:
    """Return a new image of layers."""
    config = b'{"architecture":"amd64","os":"linux","comment":"%s"}' % os.urandom(8).hex().encode()
    return Image(Content.of(media_types.OCI_CONFIG, config), layers)


def pull(url: str, repository: str, content: Content, **headers: str) -> None:
    """Pull a blob, following redirects, and compare its digest."""
    blob = f"{url}/v2/{repository}/blobs/{content.digest}"
    hasher, size = hashlib.sha256(), 0
    with (
        httpx.Client(verify=NO_TLS, headers=headers, timeout=120, follow_redirects=True) as client,
        client.stream("GET", blob) as answer,
    ):
        assert answer.status_code == 200
        for piece in answer.iter_raw():
            hasher.update(piece)
            size += len(piece)
    assert (f"sha256:{hasher.hexdigest()}", size) == (content.digest, content.size)


def uploads_to_storage(pusher: Pusher, registry: RunningHost) -> list[Sent]:
    """Return the requests that were sent to another host than the registry."""
    return [sent for sent in pusher.sent if sent.host != urlsplit(registry.url).netloc]


def requests_of(host: RunningHost, operation: str, repository: str) -> list[tuple[int, int]]:
    """Return the status and the number of storage calls of each request that a host logged."""
    return [
        (int(status), int(calls))
        for logged, name, status, calls in _REQUEST.findall(host.log())
        if (logged, name) == (operation, repository)
    ]


def statuses(sent: Iterable[Sent]) -> Mapping[tuple[str, int], int]:
    """Count requests by method and status."""
    return Counter((request.method, request.status) for request in sent)
