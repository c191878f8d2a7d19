"""The clients of a soak: each does something by chance, again and again, until it is stopped."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.e2e.clients import CommandFailed, ImageClient
from tests.e2e.images import LayoutImage
from tests.e2e.soak.ledger import Holding, named_by
from tests.e2e.soak.pool import Image
from tests.e2e.soak.wire import Lost, Push, Wire
from tests.support.content import descriptor

_TAGS = 4
_VARIANTS = 3
_ATTEMPTS = 8
_RECENT = 40


class Worker(Protocol):
    """A client with its part of the registry. ``did`` has its last operations, for reports."""

    name: str
    wire: Wire
    holdings: Sequence[Holding]
    did: list[str]

    def step(self) -> None:
        """Do one thing. :raises Lost: something that was acknowledged is gone."""


def work_until(worker: Worker, stopped: threading.Event) -> None:
    """Work until ``stopped``. The first failure stops all workers."""
    try:
        while not stopped.is_set():
            worker.step()
    except BaseException as error:
        stopped.set()
        error.add_note(f"{worker.name}, which did: " + "; ".join(worker.did[-12:]))
        raise


@dataclass
class HttpWorker:
    """A client that does everything that the API permits.

    ``slow`` is how long its slow pushes take at most, in seconds: longer than what it has seen may
    be relied on.
    """

    name: str
    wire: Wire
    holdings: Sequence[Holding]
    images: Sequence[Image]
    everywhere: Sequence[str]
    chance: random.Random
    slow: float
    did: list[str] = field(default_factory=list)

    def step(self) -> None:
        holding = self.chance.choice(self.holdings)
        weights = self._weights()
        [act] = self.chance.choices(list(weights), list(weights.values()))
        self.did = [*self.did[-_RECENT:], f"{act.__name__} {holding.repository}"]
        act(holding)

    def _weights(self) -> Mapping[Callable[[Holding], None], int]:
        return {
            self.push_image: 24,
            self.push_untagged: 4,
            self.push_index: 6,
            self.push_artifact: 5,
            self.set_another_tag: 6,
            self.delete_tag: 10,
            self.delete_manifest: 14,
            self.delete_unreferenced_blob: 3,
            self.abandon_upload: 1,
            self.pull: 20,
        }

    def push_image(self, holding: Holding) -> None:
        self.wire.push(holding, [self._image_push()], self._tag())

    def push_untagged(self, holding: Holding) -> None:
        self.wire.push(holding, [self._image_push()], None)

    def push_index(self, holding: Holding) -> None:
        """Push images without tags, and then an index of them."""
        children = [self._image_push() for _ in range(self.chance.randint(1, 3))]
        index = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_INDEX,
            "manifests": [descriptor(push.manifest, media_types.OCI_MANIFEST) for push in children],
            "annotations": {"by": self.name},
        }
        push = Push(json.dumps(index).encode(), pause=self._pause(0.1))
        self.wire.push(holding, [*children, push], self._tag())

    def push_artifact(self, holding: Holding) -> None:
        """Push a manifest whose subject is one that is there."""
        if not (kept := holding.kept()):
            return
        subject = self.chance.choice(sorted(kept))
        image = self.chance.choice(self.images)
        document = json.loads(image.manifest(by=self.name)) | {
            "artifactType": "application/vnd.example.signature",
            "subject": descriptor(kept[subject], json.loads(kept[subject])["mediaType"]),
        }
        manifest = json.dumps(document).encode()
        self.wire.push(holding, [self._push(manifest, image)], None)
        digest = str(Digest.of(manifest))
        if digest not in self.wire.referrers(holding.repository, subject):
            raise Lost(f"{holding.repository}: {digest} is not among the referrers of {subject}")

    def set_another_tag(self, holding: Holding) -> None:
        """Push a manifest of the repository again, without its blobs."""
        if not (kept := holding.kept()):
            return
        manifest = kept[self.chance.choice(sorted(kept))]
        self.wire.push(holding, [Push(manifest)], self._tag())

    def delete_tag(self, holding: Holding) -> None:
        if holding.tags:
            self.wire.delete_tag(holding, self.chance.choice(sorted(holding.tags)))

    def delete_manifest(self, holding: Holding) -> None:
        if deletable := holding.deletable():
            self.wire.delete_manifest(holding, self.chance.choice(sorted(deletable)))

    def delete_unreferenced_blob(self, holding: Holding) -> None:
        """Delete a blob that no manifest of the client's own repository names."""
        if not holding.repository.startswith(self.name):
            return
        blob = self.chance.choice(self.chance.choice(self.images).blobs)
        if (digest := str(Digest.of(blob))) not in holding.named_blobs():
            self.wire.delete_blob(holding.repository, digest)

    def abandon_upload(self, holding: Holding) -> None:
        content = self.chance.randbytes(self.chance.choice((100, 9 << 20)))
        self.wire.abandon_upload(holding.repository, content)

    def pull(self, holding: Holding) -> None:
        kept = holding.kept()
        if holding.tags and self.chance.random() < 0.7:
            tag = self.chance.choice(sorted(holding.tags))
            self.wire.pull(holding.repository, tag, holding.tags[tag])
        elif kept:
            digest = self.chance.choice(sorted(kept))
            self.wire.pull(holding.repository, digest, digest)

    def _image_push(self) -> Push:
        image = self.chance.choice(self.images)
        variant = str(self.chance.randrange(_VARIANTS))
        return self._push(image.manifest(by=self.name, variant=variant), image)

    def _push(self, manifest: bytes, image: Image) -> Push:
        sources = self.everywhere
        return Push(manifest, image.blobs, sources, self._pause(0.06), self._pause(0.03))

    def _pause(self, share: float) -> float:
        """Return a pause for this share of the pushes, else none."""
        return self.chance.uniform(0, self.slow) if self.chance.random() < share else 0.0

    def _tag(self) -> str:
        return f"{self.name}-{self.chance.randrange(_TAGS)}"


@dataclass
class ImageWorker:
    """docker, podman or skopeo, which push and pull; the deletions are requests of our own."""

    name: str
    wire: Wire
    holdings: Sequence[Holding]
    client: ImageClient
    images: Sequence[LayoutImage]
    chance: random.Random
    did: list[str] = field(default_factory=list)

    def step(self) -> None:
        holding = self.chance.choice(self.holdings)
        weights = {
            self.push: 10,
            self.pull: 3,
            self.check: 3,
            self.delete_tag: 3,
            self.delete_manifest: 5,
        }
        [act] = self.chance.choices(list(weights), list(weights.values()))
        self.did = [*self.did[-_RECENT:], f"{act.__name__} {holding.repository}"]
        act(holding)

    def push(self, holding: Holding) -> None:
        """Push until it is acknowledged, and read what was pushed."""
        image, tag = self.chance.choice(self.images), f"t{self.chance.randrange(_TAGS)}"
        for attempt in range(_ATTEMPTS):
            try:
                digest = self.client.push(image, self._reference(holding, tag))
            except CommandFailed:
                self.wire.counts[f"pushes repeated by {self.name}"] += 1
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                self.wire.counts["pushes"] += 1
                self.wire.counts[f"pushes by {self.name}"] += 1
                holding.acknowledge(self.wire.pull(holding.repository, tag, digest), tag)
                return

    def pull(self, holding: Holding) -> None:
        """Pull by tag; images only: clients pull for one platform, and not all of an index."""
        tags = [tag for tag, digest in holding.tags.items() if _is_image(holding, digest)]
        if not tags:
            return
        tag = self.chance.choice(sorted(tags))
        try:
            pulled = self.client.pull(self._reference(holding, tag))
        except CommandFailed as error:
            # Once more by requests: the answer says what is wrong.
            self.wire.pull(holding.repository, tag, holding.tags[tag])
            raise Lost(f"{holding.repository}:{tag} could not be pulled") from error
        if pulled.digest != holding.tags[tag]:
            raise Lost(f"{holding.repository}:{tag} is {pulled.digest}, not {holding.tags[tag]}")
        self.wire.counts["pulls"] += 1

    def check(self, holding: Holding) -> None:
        for tag in sorted(holding.tags):
            self.wire.pull(holding.repository, tag, holding.tags[tag])

    def delete_tag(self, holding: Holding) -> None:
        if holding.tags:
            self.wire.delete_tag(holding, self.chance.choice(sorted(holding.tags)))

    def delete_manifest(self, holding: Holding) -> None:
        if deletable := holding.deletable():
            self.wire.delete_manifest(holding, self.chance.choice(sorted(deletable)))

    def _reference(self, holding: Holding, tag: str) -> str:
        authority = self.chance.choice(self.wire.authorities)
        return f"{authority}/{holding.repository}:{tag}"


def _is_image(holding: Holding, digest: str) -> bool:
    return not named_by(holding.manifests[digest]).children
