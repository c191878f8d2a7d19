"""A registry with one image, whose layer arrives only up to its half until a gate is opened."""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_manifest

_PATH = re.compile(r"/v2/app/(blobs|manifests)/([^/]+)")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing about clients that hang up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class GatedRegistry:
    """Serves ``app:v1``, with a small and a large layer. As a context manager it listens.

    ``half_sent`` is set when the first half of the large layer is on its way, and the rest waits
    for ``gate``. ``requests`` counts the GET requests for each blob.
    """

    def __init__(self, small: bytes, large: bytes) -> None:
        self.half_sent = threading.Event()
        self.gate = threading.Event()
        self.requests: Counter[str] = Counter()
        self.manifest = image_manifest(small, large)
        self.digest = Digest.of(self.manifest)
        self.large = str(Digest.of(large))
        self.small = str(Digest.of(small))
        self._blobs = {str(Digest.of(content)): content for content in (CONFIG, small, large)}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.answer(self, with_body=True)

            def do_HEAD(self) -> None:
                registry.answer(self, with_body=False)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Log nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.authority = f"127.0.0.1:{self._server.server_address[1]}"

    def answer(self, handler: BaseHTTPRequestHandler, *, with_body: bool) -> None:
        """Answer a request."""
        match = _PATH.fullmatch(handler.path)
        kind, reference = match.groups() if match else ("", "")
        known = {"v1": self.manifest, str(self.digest): self.manifest}
        content = (known if kind == "manifests" else self._blobs).get(reference)
        if content is None:
            handler.send_error(404)
            return
        is_manifest = kind == "manifests"
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("Docker-Content-Digest", str(Digest.of(content)))
        handler.send_header(
            "Content-Type", media_types.OCI_MANIFEST if is_manifest else media_types.OCTET_STREAM
        )
        handler.end_headers()
        if not with_body:
            return
        if not is_manifest:
            self.requests[reference] += 1
        half = len(content) // 2
        try:
            handler.wfile.write(content[:half])
            handler.wfile.flush()
            if reference == self.large:
                self.half_sent.set()
                self.gate.wait(60)
            handler.wfile.write(content[half:])
        except ConnectionError:
            handler.close_connection = True  # the client was killed

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
