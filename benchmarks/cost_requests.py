"""The requests whose cost is measured, as docker sends them, and what a number of them cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from registry_core.auth.sources.htpasswd import htpasswd_line
from registry_core.auth.tokens.keys import SigningKey
from tests.support.access_modes import basic
from tests.support.host import RunningHost

from .connection import Answer, Connection
from .content import MANIFEST_TYPE, Content, Image
from .process_meter import ProcessMeter

REPOSITORY = "benchmark/cost"
BASE = f"/v2/{REPOSITORY}"
SERVICE = "registry.test"
PASSWORD = "the same for all"
PASSWORD_COST = 10  # as `python -m registry_core auth hash` has it
_ACCEPT = {"Accept": MANIFEST_TYPE}


@dataclass(frozen=True)
class Asked:
    """One request. ``content`` is sent in chunks, ``body`` with its length."""

    method: str
    target: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Content | None = None
    body: bytes | None = None

    def send(self, connection: Connection) -> Answer:
        """:raises Unexpected: when it is answered otherwise."""
        headers, body = dict(self.headers), self.body
        if self.content is None:
            return connection.request(
                self.method, self.target, body=body, headers=headers, expect=[self.status]
            )
        headers |= {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        pieces = self.content.chunked_pieces()
        return connection.request(
            self.method, self.target, body=pieces, headers=headers, expect=[self.status]
        )


@dataclass(frozen=True)
class Cost:
    """Of one request among many: CPU in milliseconds, the answer with its headers in bytes.

    A blob that was streamed does not count. ``locations`` are those of all answers.
    """

    cpu_ms: float
    answer: int
    locations: Sequence[str]


def cost(host: RunningHost, asked: Sequence[Asked]) -> Cost:
    """What they cost the host, one after the other over one connection."""
    meter, locations, size = ProcessMeter(host.pid), [], 0
    with Connection(host.url) as connection:
        connection.request("GET", "/", expect=[200])
        before = meter.cpu_seconds()
        for one in asked:
            answer = one.send(connection)
            size = _size(answer)
            locations.append(answer.headers.get("location", ""))
        spent = meter.cpu_seconds() - before
    return Cost(1000 * spent / len(asked), size, locations)


def _size(answer: Answer) -> int:
    head = sum(len(name) + len(value) + len(": \r\n") for name, value in answer.headers.items())
    streamed = answer.status == 200 and "octet-stream" in answer.headers.get("content-type", "")
    return len("HTTP/1.1 200 OK\r\n\r\n") + head + (0 if streamed else answer.size)


def reads() -> Mapping[str, Callable[[Image], Asked]]:
    """By the names that the cost model has for them. An image's tag is the hex of its digest."""

    def tag(image: Image) -> str:
        return f"{BASE}/manifests/{image.digest.removeprefix('sha256:')}"

    return {
        "head_manifest_by_tag": lambda image: Asked("HEAD", tag(image), 200, _ACCEPT),
        "get_manifest_by_tag": lambda image: Asked("GET", tag(image), 200, _ACCEPT),
        "get_manifest_by_digest": lambda image: Asked(
            "GET", f"{BASE}/manifests/{image.digest}", 200, _ACCEPT
        ),
        "head_blob": lambda image: Asked("HEAD", f"{BASE}/blobs/{image.layer.digest}", 200),
        "head_missing_blob": lambda image: Asked(
            "HEAD", f"{BASE}/blobs/sha256:{image.layer.digest[:6:-1]}", 404
        ),
        "get_blob": lambda image: Asked("GET", f"{BASE}/blobs/{image.layer.digest}", 307),
    }


def stream(image: Image) -> Asked:
    """Of a host without redirects."""
    return Asked("GET", f"{BASE}/blobs/{image.layer.digest}", 200)


def start() -> Asked:
    return Asked("POST", f"{BASE}/blobs/uploads/", 202)


def patch(location: str, content: Content) -> Asked:
    return Asked("PATCH", _target(location), 202, content=content)


def close(location: str, content: Content) -> Asked:
    return Asked("PUT", f"{_target(location)}&digest={content.digest}", 201)


def put_manifest(image: Image) -> Asked:
    headers = {"Content-Type": MANIFEST_TYPE}
    return Asked("PUT", f"{BASE}/manifests/latest", 201, headers, body=image.manifest)


def token(user: int) -> Asked:
    target = f"/auth/token?service={SERVICE}&scope=repository:{REPOSITORY}:pull"
    return Asked("GET", target, 200, {"Authorization": basic(f"user-{user}", PASSWORD)})


def token_settings(users: int) -> Mapping[str, str]:
    """A host that gives tokens to so many users; all have the same password."""
    _, _, hashed = htpasswd_line("any", PASSWORD, PASSWORD_COST).partition(":")
    return {
        "REGISTRY_AUTH": "builtin",
        "REGISTRY_AUTH_BUILTIN_SERVICE": SERVICE,
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": SigningKey.generate().pem(),
        "REGISTRY_AUTH_HTPASSWD_PATH": "".join(f"user-{n}:{hashed}\n" for n in range(users)),
    }


def _target(location: str) -> str:
    parts = urlsplit(location)
    return f"{parts.path}?{parts.query}"
