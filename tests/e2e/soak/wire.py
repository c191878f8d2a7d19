"""The registry's HTTP API, as clients use it that are sent to any of several instances."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import httpx

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.e2e.soak.ledger import Holding, named_by

_ACCEPT = {"Accept": ", ".join((*media_types.MANIFESTS, "*/*"))}
_OCTETS = {"Content-Type": media_types.OCTET_STREAM}
_PIECE = 5 << 20
_ATTEMPTS = 8
_DELAY = 0.3


class Lost(AssertionError):
    """What was acknowledged is gone, or is not what it was."""


class Unanswered(Exception):
    """The request may have been carried out or not: send it again."""


class Refused(Exception):
    """What the client relied on is gone: it has to push again, from the start."""


@dataclass
class Wire:
    """One client's way to the registry; use it in a `with`. ``slowest`` is in seconds.

    ``asks`` is the share of blobs that it asks for before it uploads them.
    """

    authorities: Sequence[str]
    chance: random.Random
    asks: float = 0.8
    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self._http = httpx.Client(timeout=120, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        content: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request to any instance; ``path`` may be a Location of another one.

        :raises Unanswered: no answer, or one that says to try again.
        """
        url = httpx.URL(path if path.startswith("http") else f"http://{self._any()}{path}")
        host, _, port = self._any().partition(":")
        url = url.copy_with(host=host, port=int(port))
        if params:
            url = url.copy_merge_params(params)
        began = time.monotonic()
        try:
            answer = self._http.request(method, url, content=content, headers=headers)
        except httpx.TransportError as error:
            self.counts["without an answer"] += 1
            raise Unanswered(f"{method} {url}: {error!r}") from error
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)
        if answer.status_code in (429, 503):
            self.counts[f"answers of {answer.status_code}"] += 1
            raise Unanswered(f"{method} {url}: {answer.status_code} {answer.text}")
        return answer

    def send_until_answered(
        self, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> _Answered:
        """Send a request until there is an answer. Returns whether it took one attempt only."""
        for attempt in range(_ATTEMPTS):
            try:
                return _Answered(self.send(method, path, headers=headers), first=attempt == 0)
            except Unanswered:
                time.sleep(_DELAY)
        raise AssertionError(f"{method} {path}: no answer in {_ATTEMPTS} attempts")

    def _any(self) -> str:
        return self.chance.choice(self.authorities)

    # -- pushes

    def push(self, holding: Holding, manifests: Sequence[Push], tag: str | None) -> None:
        """Push manifests in order until they are acknowledged; the tag is set to the last.

        :raises Lost: a manifest that the repository has is refused when it is pushed without blobs.
        """
        for attempt in range(_ATTEMPTS):
            try:
                for push in manifests:
                    target = tag if push is manifests[-1] else None
                    self._push_once(
                        holding.repository, push if attempt == 0 else push.quick, target
                    )
            except (Refused, Unanswered) as error:
                if isinstance(error, Refused) and not any(push.blobs for push in manifests):
                    raise Lost(f"{holding.repository} lacks what its manifests name") from error
                self.counts["pushes repeated"] += 1
                if attempt == _ATTEMPTS - 1:
                    raise AssertionError(f"{holding.repository} takes no push: {error}") from error
                time.sleep(_DELAY)
            else:
                holding.acknowledge((push.manifest for push in manifests), tag)
                return

    def _push_once(self, repository: str, push: Push, tag: str | None) -> None:
        for number, blob in enumerate(push.blobs):
            pause = push.upload_pause if number == 0 else 0.0
            self._provide(repository, blob, push.sources, pause)
        time.sleep(push.pause)
        media_type = str(httpx.Response(200, content=push.manifest).json()["mediaType"])
        reference = tag or str(Digest.of(push.manifest))
        path = f"/v2/{repository}/manifests/{reference}"
        answer = self.send("PUT", path, content=push.manifest, headers={"Content-Type": media_type})
        if answer.status_code in (400, 404) and "UNKNOWN" in answer.text:
            self.counts["manifests refused"] += 1
            raise Refused(answer.text)
        assert answer.status_code == 201, (path, answer.status_code, answer.text)
        self.counts["pushes"] += 1

    def _provide(self, repository: str, blob: bytes, sources: Sequence[str], pause: float) -> None:
        """Make the repository have a blob: it has it, or it is mounted or uploaded."""
        digest = str(Digest.of(blob))
        blobs = f"/v2/{repository}/blobs"
        if self.chance.random() < self.asks:
            found = self.send("HEAD", f"{blobs}/{digest}")
            if found.status_code == 200:
                self.counts["blobs there already"] += 1
                return
            assert found.status_code == 404, (repository, digest, found.status_code)
        params = {}
        if sources and self.chance.random() < 0.7:
            params = {"mount": digest, "from": self.chance.choice(sources)}
            if self.chance.random() < 0.2:
                del params["from"]
        answer = self.send("POST", f"{blobs}/uploads/", params=params)
        if answer.status_code == 201:
            self.counts["mounts"] += 1
            return
        assert answer.status_code == 202, (repository, answer.status_code, answer.text)
        self._upload(answer.headers["Location"], blob, digest, pause)

    def _upload(self, location: str, blob: bytes, digest: str, pause: float) -> None:
        """Upload a blob as one of several kinds of clients does."""
        rest = blob
        if self.chance.random() < 0.6:  # docker, podman, skopeo
            pieces = [blob]
            if self.chance.random() < 0.3:
                pieces = [blob[start : start + _PIECE] for start in range(0, len(blob), _PIECE)]
            for piece in pieces:
                location = self._accepted(self.send("PATCH", location, content=piece), 202)
            rest = b""
            time.sleep(pause)
        finish = self.send(
            "PUT", location, content=rest, headers=_OCTETS, params={"digest": digest}
        )
        self._accepted(finish, 201)
        self.counts["uploads"] += 1

    def _accepted(self, answer: httpx.Response, status: int) -> str:
        if answer.status_code == 404:  # the upload is gone
            self.counts["uploads refused"] += 1
            raise Refused(answer.text)
        assert answer.status_code == status, (answer.url, answer.status_code, answer.text)
        return str(answer.headers["Location"])

    def abandon_upload(self, repository: str, content: bytes) -> None:
        """Begin an upload and leave it."""
        started = self.send_until_answered("POST", f"/v2/{repository}/blobs/uploads/").answer
        self._accepted(self.send("PATCH", started.headers["Location"], content=content), 202)
        self.counts["uploads abandoned"] += 1

    # -- deletions

    def delete_manifest(self, holding: Holding, digest: str) -> None:
        self._delete(f"/v2/{holding.repository}/manifests/{digest}")
        holding.forget_manifest(digest)

    def delete_tag(self, holding: Holding, tag: str) -> None:
        self._delete(f"/v2/{holding.repository}/manifests/{tag}")
        holding.forget_tag(tag)

    def _delete(self, path: str) -> None:
        deleted = self.send_until_answered("DELETE", path)
        status = deleted.answer.status_code
        if status == 404 and deleted.first:
            raise Lost(f"to be deleted, but gone: {path}: {deleted.answer.text}")
        assert status in (202, 404), (path, status, deleted.answer.text)
        self.counts["deletions"] += 1

    def delete_blob(self, repository: str, digest: str) -> None:
        """Delete a blob that need not be there."""
        path = f"/v2/{repository}/blobs/{digest}"
        answer = self.send_until_answered("DELETE", path).answer
        assert answer.status_code in (202, 404), (path, answer.status_code, answer.text)
        self.counts["deletions"] += answer.status_code == 202

    # -- pulls

    def pull(self, repository: str, reference: str, digest: str) -> list[bytes]:
        """Pull a manifest by tag or digest with all that it names. Returns it, its children first.

        :raises Lost: anything is missing or wrong.
        """
        manifest = self._get(f"/v2/{repository}/manifests/{reference}", digest)
        named = named_by(manifest)
        children = [
            found
            for child in sorted(named.children)
            for found in self.pull(repository, child, child)
        ]
        for blob in sorted(named.blobs):
            self._get(f"/v2/{repository}/blobs/{blob}", blob)
        self.counts["pulls"] += 1
        return [*children, manifest]

    def _get(self, path: str, digest: str) -> bytes:
        answer = self.send_until_answered("GET", path, headers=_ACCEPT).answer
        if answer.status_code != 200:
            raise Lost(f"{path}: {answer.status_code} {answer.text}, expected {digest}")
        if (actual := str(Digest.of(answer.content))) != digest:
            raise Lost(f"{path}: {actual}, expected {digest}")
        return answer.content

    def referrers(self, repository: str, subject: str) -> set[str]:
        """Return the digests of the referrers of a manifest."""
        path = f"/v2/{repository}/referrers/{subject}"
        answer = self.send_until_answered("GET", path).answer
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return {item["digest"] for item in answer.json()["manifests"]}


@dataclass(frozen=True)
class _Answered:
    answer: httpx.Response
    first: bool


@dataclass(frozen=True)
class Push:
    """A manifest to push, and the blobs that it needs.

    ``sources`` are repositories that may have the blobs already. ``pause`` is how long the client
    takes between the blobs and the manifest, ``upload_pause`` between the PATCH and the PUT of the
    first upload, in seconds. Both only at the first attempt.
    """

    manifest: bytes
    blobs: Sequence[bytes] = ()
    sources: Sequence[str] = ()
    pause: float = 0.0
    upload_pause: float = 0.0

    @property
    def quick(self) -> Push:
        """The same push without pauses."""
        return replace(self, pause=0.0, upload_pause=0.0)
