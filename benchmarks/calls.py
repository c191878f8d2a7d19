"""Storage calls per request, counted in the access log of the storage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .access_log import AccessLog
from .content import Image, new_content, new_image
from .registry_client import RegistryClient
from .run import Registry, Run
from .scale import size_text
from .sheet import Row

GROUP = "Storage calls per request (less is better)"
TAG = "latest"

# Each is the way to read, and what of the image just pushed it takes.
_READS: dict[str, tuple[Callable[[RegistryClient, str], object], Callable[[Image], str]]] = {
    "GET manifest by tag": (RegistryClient.get_manifest, lambda _: TAG),
    "GET manifest by digest": (RegistryClient.get_manifest, lambda image: image.digest),
    "HEAD manifest by tag": (RegistryClient.head_manifest, lambda _: TAG),
    "HEAD manifest by digest": (RegistryClient.head_manifest, lambda image: image.digest),
    "HEAD blob": (RegistryClient.head_blob, lambda image: image.layer.digest),
    "GET blob": (RegistryClient.get_blob, lambda image: image.layer.digest),
}


def measure(run: Run) -> None:
    """The rows of every registry whose storage's access log is known."""
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


class _Counter:
    def __init__(self, run: Run, registry: Registry, log: AccessLog) -> None:
        self._run = run
        self._registry = registry
        self._log = log

    def warm_up(self) -> None:
        """What an instance does once, when first used, shall not be counted."""
        image = new_image()
        with self._client(f"warm-up-{self._registry.name}".lower()) as client:
            client.push_image(image, TAG)
            client.get_manifest(TAG)
            client.get_blob(image.layer.digest)

    def read(self, name: str, number: int) -> None:
        """The first request of an instance for something, and the second."""
        request, reference = _READS[name]
        image, repository = new_image(), f"read-{number}-{name.replace(' ', '-').lower()}"
        with self._client(repository, self._registry.seed_url) as seed:
            seed.push_image(image, TAG)
        with self._client(repository) as client:
            for state in ("cold", "warm"):
                self._count(f"{name}, {state}", partial(request, client, reference(image)))

    def push_images(self, number: int) -> None:
        """Two new images, the first of which makes the repository."""
        with self._client(f"push-{number}") as client:
            for state in ("into a new repository", "into a known repository"):
                push = partial(client.push_image, new_image(), TAG)
                self._count(f"push a new 2-blob image {state}", push)

    def push_layers(self, number: int) -> None:
        """A layer each way, into a repository that is there."""
        size = self._run.scale.counted_layer
        with self._client(f"push-{number}") as client:
            for way, push in (("PATCH", client.push_by_patch), ("PUT", client.push_by_put)):
                self._count(f"push {size_text(size)} by {way}", partial(push, new_content(size)))

    def list_tags(self) -> None:
        """One request for all tags of a repository."""
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
