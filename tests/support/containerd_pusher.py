"""A client that pushes images as containerd does, request by request.

    pusher = Pusher("http://127.0.0.1:5000", "team/app")
    pusher.push_image(image, "v1")

Read in containerd (core/remotes/docker/pusher.go, resolver.go and registry.go,
core/remotes/handlers.go, core/content/helpers.go; v2.1.0, v2.2.0, v2.3.0 to v2.3.4 and
v2.4.0-beta.0) and written anew; compared with v2.3.4 request by request, header by header.
Unlike containerd, it opens a connection for each request and follows no redirects: the registry
answers none of these requests with one.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import SplitResult, parse_qsl, quote, quote_plus, unquote, urlsplit

from registry_core.spec import media_types
from tests.support.containerd_auth import Answered, Authorizer, InvalidAuthorization

_SENT_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_SENT_AGAIN_ONCE = (
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_PUT = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT)
# Go's net/url sends a path as it is where it can be, and else escapes all but these in it.
_VALID_PATH = re.compile(r"(?:[\w.~/$&+,:;=@!'()*\[\]-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_UNESCAPED = "/$&+,:;=@"


@dataclass(frozen=True)
class Release:
    """What differs between releases of containerd.

    ``attempts``: how often a request is sent at most, whatever the reasons; without a pause
    between them, and ``Retry-After`` is not read. ``answer_seconds``: how long it waits for an
    answer after the request was sent. ``retries_lost``: whether it sends the request again when
    none came. ``needs_digest``: it fails unless a push is answered with the blob's digest.
    ``names_registry``: it adds the registry's host to the queries of requests to other hosts.
    """

    version: str
    attempts: int = 5
    answer_seconds: float | None = 30.0
    retries_lost: bool = True
    needs_digest: bool = False
    names_registry: bool = True

    @property
    def user_agent(self) -> str:
        return f"containerd/{self.version}"


CONTAINERD_2_1 = Release(
    "2.1.0", 6, None, retries_lost=False, needs_digest=True, names_registry=False
)
CONTAINERD_2_2 = Release("2.2.0", 6, None, retries_lost=False, names_registry=False)
CONTAINERD_2_3_0 = Release("2.3.0", 6, 30.0, retries_lost=False)
CONTAINERD_2_4 = Release("2.4.0-beta.0")


@dataclass(frozen=True)
class Content:
    """A blob or a manifest: ``pieces`` returns its bytes, from the start with each call.

    ``mounted_from``: the repository that the blob was pulled from, on the same registry.
    """

    media_type: str
    digest: str
    size: int
    pieces: Callable[[], Iterable[bytes]] = field(repr=False)
    mounted_from: str = ""

    @classmethod
    def of(cls, media_type: str, content: bytes) -> Content:
        """Return content that is in memory."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return cls(media_type, digest, len(content), lambda: [content])

    def mountable_from(self, repository: str) -> Content:
        """Return the same, as pulled from a repository of the same registry."""
        return replace(self, mounted_from=repository)

    def claiming_to_be(self, other: Content) -> Content:
        """Return these bytes with the digest of others, which are equally many."""
        assert self.size == other.size
        return replace(self, digest=other.digest)

    @property
    def descriptor(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    @property
    def is_manifest(self) -> bool:
        return self.media_type in media_types.MANIFESTS


@dataclass(frozen=True)
class Image:
    """A config and layers, and the manifest that names them."""

    config: Content
    layers: tuple[Content, ...]

    @property
    def manifest(self) -> Content:
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": self.config.descriptor,
            "layers": [layer.descriptor for layer in self.layers],
        }
        return Content.of(media_types.OCI_MANIFEST, json.dumps(document).encode())


class UnexpectedStatus(AssertionError):
    """An answer with which the push fails."""

    def __init__(self, answer: Answered) -> None:
        super().__init__(
            f"unexpected status from {answer.method} request to {answer.url}: {answer.status} "
            f"{answer.body[:1000]!r}"
        )
        self.answer = answer


@dataclass(frozen=True)
class Sent:
    """A request that was sent, and the status of its answer: 0 if none came."""

    method: str
    url: str
    headers: Mapping[str, str]
    status: int = 0

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


@dataclass(frozen=True)
class _Request:
    """A request, and where it goes. ``is_authorized``: with the credentials for its host."""

    method: str
    origin: str
    path: str
    scopes: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Content | None = None
    is_authorized: bool = True

    @property
    def url(self) -> str:
        return self.origin + self.path


class Pusher:
    """Pushes to one repository of the registry at ``url``. ``sent`` has every request, in order.

    ``user_agent``: that of the release by default; programs that contain it name themselves.
    ``trust`` verifies the certificates of storage.
    """

    def __init__(
        self,
        url: str,
        repository: str,
        *,
        release: Release = CONTAINERD_2_4,
        user_agent: str = "",
        credentials: tuple[str, str] | None = None,
        trust: ssl.SSLContext | None = None,
        at_once: int = 4,
    ) -> None:
        self.repository = repository
        self.sent: list[Sent] = []
        self._origin = url.rstrip("/")
        self._release = release
        self._user_agent = user_agent or release.user_agent
        self._trust = trust
        self._at_once = at_once
        self._lock = threading.Lock()
        self._authorizer = Authorizer(self._exchange_small, credentials)

    def push_image(self, image: Image, tag: str) -> None:
        """Push the blobs that are missing, several at once, and then the manifest.

        :raises UnexpectedStatus, InvalidAuthorization, OSError: the push failed.
        """
        with ThreadPoolExecutor(self._at_once) as pool:
            for pushed in [pool.submit(self.push, blob) for blob in _blobs(image)]:
                pushed.result()
        self.push(image.manifest, tag)

    def push(self, content: Content, tag: str = "") -> None:
        """Push one blob or manifest, unless it is there."""
        if self._exists(content, tag):
            return
        if content.is_manifest:
            request = self._request("PUT", f"manifests/{tag or content.digest}")
            headers = {"Content-Type": content.media_type}
            self._put(replace(request, headers=headers, body=content))
            return
        started = self._start(content)
        if started.status != HTTPStatus.CREATED:  # mounted
            self._put(self._upload(content, started))

    def send_and_hang_up(self, manifest: Content, tag: str) -> None:
        """Send a manifest, and close the connection without reading the answer."""
        url = urlsplit(f"{self._origin}/v2/{self.repository}/manifests/{tag}")
        connection = self._connect(url)
        headers = {"User-Agent": self._user_agent, "Content-Type": manifest.media_type}
        connection.request("PUT", url.path, b"".join(manifest.pieces()), headers)
        connection.close()

    def _exists(self, content: Content, tag: str) -> bool:
        path = f"blobs/{content.digest}"
        if content.is_manifest:
            path = f"manifests/{tag or content.digest}"
        accept = {"Accept": f"{content.media_type}, */*"}
        try:
            answer = self._send(replace(self._request("HEAD", path), headers=accept))
        except InvalidAuthorization:
            return False  # "Unable to check existence, continuing with push"
        if answer.status == HTTPStatus.OK:
            is_tag = content.is_manifest and bool(tag)
            return not is_tag or answer.headers.get("docker-content-digest") == content.digest
        if answer.status != HTTPStatus.NOT_FOUND:
            raise UnexpectedStatus(answer)
        return False

    def _start(self, content: Content) -> Answered:
        request = self._request("POST", "blobs/uploads/")
        answer = None
        if content.mounted_from:
            mount = replace(
                request,
                path=f"{request.path}?mount={content.digest}&from={content.mounted_from}",
                scopes=(*request.scopes, f"repository:{content.mounted_from}:pull"),
            )
            try:
                answer = self._send(mount)
            except InvalidAuthorization:
                answer = None
        if answer is None or answer.status == HTTPStatus.UNAUTHORIZED:
            answer = self._send(request)
        expected = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT, HTTPStatus.CREATED)
        if answer.status not in expected:
            raise UnexpectedStatus(answer)
        return answer

    def _upload(self, content: Content, started: Answered) -> _Request:
        """Return the request that sends the content to where the answer says."""
        location = started.headers.get("location", "")
        if location.startswith("/"):
            url = urlsplit(self._origin + location)
        elif "://" in location:
            url = urlsplit(location)
        else:
            url = urlsplit(f"{urlsplit(self._origin).scheme}://{location}")
        origin = f"{url.scheme}://{url.netloc}"
        query = [("digest", content.digest)]
        registry = urlsplit(self._origin).netloc
        if self._release.names_registry and url.netloc != registry:
            query.append(("ns", registry))
        return _Request(
            "PUT",
            origin,
            _with_query(url, query),
            self._scopes,
            {"Content-Type": media_types.OCTET_STREAM},
            content,
            is_authorized=origin == self._origin,
        )

    def _put(self, request: _Request) -> None:
        answer = self._send(request)
        if answer.status not in _PUT:
            raise UnexpectedStatus(answer)
        assert request.body is not None
        digest = answer.headers.get("docker-content-digest")
        if digest != request.body.digest and (digest or self._release.needs_digest):
            raise AssertionError(f"got digest {digest}, expected {request.body.digest}")

    @property
    def _scopes(self) -> tuple[str, ...]:
        return (f"repository:{self.repository}:pull,push",)

    def _request(self, method: str, path: str) -> _Request:
        return _Request(method, self._origin, f"/v2/{self.repository}/{path}", self._scopes)

    def _send(self, request: _Request) -> Answered:
        """Send a request until its answer is one that is not worth another attempt."""
        answers: list[Answered] = []
        left = self._release.attempts
        while True:
            answer, left = self._answer(request, left)
            answers.append(answer)
            if not self._is_worth_another(request, answers) or left == 0:
                return answer

    def _answer(self, request: _Request, left: int) -> tuple[Answered, int]:
        """Return an answer, and how many attempts are left."""
        while True:
            left -= 1
            try:
                return self._attempt(request), left
            except (TimeoutError, http.client.RemoteDisconnected):
                if not (self._release.retries_lost and left):
                    raise

    def _is_worth_another(self, request: _Request, answers: Sequence[Answered]) -> bool:
        status = answers[-1].status
        if status == HTTPStatus.UNAUTHORIZED:
            return request.is_authorized and self._authorizer.add_answers(answers)
        if status in _SENT_AGAIN:
            return True
        seen_before = len(answers) > 1 and answers[-2].status == status
        return status in _SENT_AGAIN_ONCE and not seen_before

    def _attempt(self, request: _Request) -> Answered:
        headers = {"User-Agent": self._user_agent, **request.headers}
        if request.is_authorized:
            authorization = self._authorizer.header(urlsplit(request.url).netloc, request.scopes)
            headers |= {"Authorization": authorization} if authorization else {}
        if request.method != "HEAD":
            headers["Accept-Encoding"] = "gzip"
        body: Iterable[bytes] = ()
        if request.body is not None:
            headers["Content-Length"] = str(request.body.size)
            body = request.body.pieces()
        elif request.method in ("POST", "PUT"):
            headers["Content-Length"] = "0"
        return self._exchange(request.method, request.url, headers, body)

    def _exchange_small(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Answered:
        length = {"Content-Length": str(len(body))} if body else {}
        sent = {"User-Agent": self._user_agent, **headers, **length}
        return self._exchange(method, url, sent, [body])

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes]
    ) -> Answered:
        parts = urlsplit(url)
        connection = self._connect(parts)
        status = 0
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            try:
                for piece in body:
                    connection.send(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the answer says why, if there is one
            connection.sock.settimeout(self._release.answer_seconds)
            response = connection.getresponse()
            status = response.status
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answered(method, url, status, received, response.read())
        finally:
            connection.close()
            with self._lock:
                self.sent.append(Sent(method, url, headers, status))

    def _connect(self, url: SplitResult) -> http.client.HTTPConnection:
        if url.scheme == "https":
            return http.client.HTTPSConnection(url.netloc, context=self._trust)
        return http.client.HTTPConnection(url.netloc)


def _blobs(image: Image) -> Iterator[Content]:
    """Yield each blob once: equal ones are sent as one."""
    yield from {blob.digest: blob for blob in (image.config, *image.layers)}.values()


def _with_query(url: SplitResult, added: Sequence[tuple[str, str]]) -> str:
    """Return the path of a `Location`, decoded, and its query, decoded, sorted and encoded anew."""
    query = [*parse_qsl(url.query, keep_blank_values=True), *added]
    query.sort(key=lambda pair: pair[0])
    encoded = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in query)
    path = unquote(url.path)
    if not _VALID_PATH.fullmatch(path):
        path = quote(path, safe=_UNESCAPED)
    return f"{path}?{encoded}"
