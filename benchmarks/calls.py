"""Storage calls per request, counted in the access log of the storage.

Azurite writes one line per request to its standard output (Apache's common log format), unless it
runs with `--silent`. Counting there leaves signatures, redirects and timing as they always are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .content import Image, new_content, new_image
from .registry_client import RegistryClient
from .run import Registry, Run
from .scale import size_text
from .sheet import Row

GROUP = "Storage calls per request (less is better)"
TAG = "latest"
QUIET_SECONDS = 0.25
DEADLINE_SECONDS = 20.0

_REQUEST = re.compile(rb'"([A-Z]{3,7}) (\S+) HTTP/')

_READS: dict[str, tuple[Callable[[RegistryClient, str], object], Callable[[Image], str]]] = {
    "GET manifest by tag": (RegistryClient.get_manifest, lambda _: TAG),
    "GET manifest by digest": (RegistryClient.get_manifest, lambda image: image.digest),
    "HEAD manifest by tag": (RegistryClient.head_manifest, lambda _: TAG),
    "HEAD manifest by digest": (RegistryClient.head_manifest, lambda image: image.digest),
    "HEAD blob": (RegistryClient.head_blob, lambda image: image.layer.digest),
    "GET blob": (RegistryClient.get_blob, lambda image: image.layer.digest),
}
"""A request, and the reference of an image that it takes."""


def measure(run: Run) -> None:
    """Add the rows of every registry whose storage has a known access log."""
    for registry in run.registries:
        if registry.storage_log is None:
            continue
        counter = _Counter(run, registry, AccessLog(registry.storage_log))
        run.attempt(registry.name, "the first requests", counter.warm_up)
        for number in range(run.scale.rounds):
            for name in _READS:
                run.attempt(registry.name, name, partial(counter.read, name, number))
            run.attempt(registry.name, "push an image", partial(counter.push_images, number))
            run.attempt(registry.name, "push a layer", partial(counter.push_layers, number))
        run.attempt(registry.name, "list tags", counter.list_tags)


class AccessLog:
    """The access log of a storage that only one registry uses."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def calls_of(self, action: Callable[[], object]) -> list[str]:
        """Run `action` and return the storage calls it caused, each as ``METHOD target``.

        Calls after the registry's answer count too: this waits until the log has been quiet for a
        while.

        :raises TimeoutError: when the log keeps growing.
        """
        start = self._size_at_rest()
        action()
        end = self._size_at_rest()
        with self._path.open("rb") as log:
            log.seek(start)
            written = log.read(end - start)
        return [f"{match[1].decode()} {match[2].decode()}" for match in _REQUEST.finditer(written)]

    def _size_at_rest(self) -> int:
        deadline = time.monotonic() + DEADLINE_SECONDS
        size, since = self._path.stat().st_size, time.monotonic()
        while time.monotonic() - since < QUIET_SECONDS:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._path} still grows after {DEADLINE_SECONDS:g} s")
            time.sleep(0.01)
            if (now := self._path.stat().st_size) != size:
                size, since = now, time.monotonic()
        return size


class _Counter:
    def __init__(self, run: Run, registry: Registry, log: AccessLog) -> None:
        self._run = run
        self._registry = registry
        self._log = log

    def warm_up(self) -> None:
        """Cause everything that an instance does only once, so that it is not counted."""
        image = new_image()
        with self._client(f"warm-up-{self._registry.name}".lower()) as client:
            client.push_image(image, TAG)
            client.get_manifest(TAG)
            client.get_blob(image.layer.digest)

    def read(self, name: str, number: int) -> None:
        """Count the first request of an instance for an image, and the second."""
        request, reference = _READS[name]
        image, repository = new_image(), f"read-{number}-{name.replace(' ', '-').lower()}"
        with self._client(repository, self._registry.seed_url) as seed:
            seed.push_image(image, TAG)
        with self._client(repository) as client:
            for state in ("cold", "warm"):
                self._count(f"{name}, {state}", partial(request, client, reference(image)))

    def push_images(self, number: int) -> None:
        """Push two new images; the first creates the repository."""
        with self._client(f"push-{number}") as client:
            for state in ("into a new repository", "into a known repository"):
                push = partial(client.push_image, new_image(), TAG)
                self._count(f"push a new 2-blob image {state}", push)

    def push_layers(self, number: int) -> None:
        """Push a layer by PATCH and one by PUT into an existing repository."""
        size = self._run.scale.counted_layer
        with self._client(f"push-{number}") as client:
            for way, push in (("PATCH", client.push_by_patch), ("PUT", client.push_by_put)):
                self._count(f"push {size_text(size)} by {way}", partial(push, new_content(size)))

    def list_tags(self) -> None:
        """List all tags of a repository in one request."""
        image, tags = new_image(), self._run.scale.tags
        with self._client("tags") as client:
            client.push_image(image, "tag-0")
            for number in range(1, tags):
                client.push_manifest(image, f"tag-{number}")
        with self._client("tags") as client:
            self._count(f"list {tags} tags", client.list_tags)

    def _count(self, name: str, action: Callable[[], object]) -> None:
        calls = self._log.calls_of(action)
        row = Row(GROUP, name, "calls")
        self._run.sheet.add(row, self._registry.name, len(calls), detail=calls)

    def _client(self, repository: str, url: str | None = None) -> RegistryClient:
        name = f"{self._run.namespace}/{repository}"
        return RegistryClient(url or self._registry.url, name)
