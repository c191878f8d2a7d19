"""Random registries: what a collection leaves is what a naive reference, written apart, says.

The reference knows values alone: what was pushed where, which tags there are, what was deleted. It
computes what must stay by repeating simple rules until nothing changes.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_core.maintenance.retention.policy import RetentionPolicy
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.errors import RegistryError
from tests.support.content import CONFIG, descriptor, push_blob

from .scene import LAYOUT, Scene

NAMES = ("a", "a/b", "b")
BLOBS = tuple(b"blob %d" % number for number in range(6))
TAGS = ("v1", "v2", "pr-1", "pr-2")
POLICY = RetentionPolicy.parse('[[expire]]\non = ["**"]\ntags = ["pr-*"]\nafter = "2d"\n')

BLOBS_PATH = f"{LAYOUT.base}blobs"
KINDS = (
    *("blob", "image", "image", "image", "index", "index", "artifact", "attach", "mount"),
    *("untag", "delete", "unblob"),
)

steps = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(NAMES),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
    ),
    min_size=3,
    max_size=24,
)


@dataclass
class Reference:
    """What is where, as plain values: per repository blobs, manifests, and tags."""

    blobs: dict[str, set[bytes]] = field(default_factory=lambda: {name: set() for name in NAMES})
    manifests: dict[str, set[bytes]] = field(
        default_factory=lambda: {name: set() for name in NAMES}
    )
    tags: dict[str, dict[str, bytes]] = field(default_factory=lambda: {name: {} for name in NAMES})

    def expected_manifests(self, name: str, *, untagged: bool, expires: bool) -> set[bytes]:
        """Return the manifests that stay when all is old."""
        manifests, tags = self.manifests[name], self.tags[name]
        by_digest = {str(Digest.of(each)): each for each in manifests}
        attached = attached_tags(tags, by_digest)
        lost = {each for tag, each in tags.items() if expires and tag.startswith("pr-")}
        stay = {
            each
            for tag, each in tags.items()
            if tag not in attached and not (expires and tag.startswith("pr-"))
        }

        def belongs(each: bytes) -> list[bytes]:
            """Return what a manifest belongs to here."""
            subject = json.loads(each).get("subject", {}).get("digest")
            names = [subject] + [
                tag.replace("-", ":", 1).removesuffix(".sig")
                for tag, target in attached.items()
                if target == each
            ]
            return [by_digest[n] for n in names if n in by_digest and by_digest[n] != each]

        def grow(found: set[bytes]) -> set[bytes]:
            while True:
                more = set(found)
                for each in manifests:
                    if any(str(Digest.of(each)).encode() in rest_of(one) for one in found):
                        more.add(each)
                    if any(one in found for one in belongs(each)):
                        more.add(each)
                if more == found:
                    return found
                found = more

        stay = grow(stay)
        lost = grow(lost) - stay
        free = manifests - stay - lost
        if not untagged:
            # What nobody leads to stays, with all that it leads to.
            roots = {
                each
                for each in free
                if not belongs(each)
                and not any(str(Digest.of(each)).encode() in rest_of(one) for one in free - {each})
            }
            stay |= grow(roots)
        return stay

    def expected_blobs(self, manifests: set[bytes], name: str) -> set[bytes]:
        """Return the blobs of a repository that stay if these are its manifests."""
        return {
            blob
            for blob in self.blobs[name]
            if any(str(Digest.of(blob)).encode() in each for each in manifests)
        }


def attached_tags(tags: Mapping[str, bytes], by_digest: Container[str]) -> dict[str, bytes]:
    """Return the tags that go with their subject; none in a repository of signatures alone."""
    attached = {tag: each for tag, each in tags.items() if tag.startswith("sha256-")}
    subjects = [tag.replace("-", ":", 1).removesuffix(".sig") for tag in attached]
    return attached if any(subject in by_digest for subject in subjects) else {}


def rest_of(manifest: bytes) -> bytes:
    """Return a manifest without its subject."""
    document = json.loads(manifest)
    document.pop("subject", None)
    return json.dumps(document).encode()


@dataclass
class Story:
    """Plays steps in a registry, and notes in the reference what was acknowledged."""

    scene: Scene
    reference: Reference = field(default_factory=Reference)

    async def play(self, kind: str, name: str, one: int, two: int) -> None:
        try:
            await getattr(self, f"_{kind}")(name, one, two)
        except RegistryError:
            return  # what it needs is not there

    async def _blob(self, name: str, one: int, two: int) -> None:
        await self._need_blob(name, BLOBS[one % len(BLOBS)])

    async def _need_blob(self, name: str, blob: bytes) -> None:
        await push_blob(self.scene.registry, name, blob)
        self.reference.blobs[name].add(blob)

    async def _image(self, name: str, one: int, two: int) -> None:
        layers = [BLOBS[one % len(BLOBS)], BLOBS[two % len(BLOBS)]]
        for blob in (CONFIG, *layers):
            await self._need_blob(name, blob)
        await self._push(
            name,
            two,
            media_types.OCI_MANIFEST,
            {
                "config": descriptor(CONFIG),
                "layers": [descriptor(blob) for blob in layers],
                "annotations": {"n": str(one % 3)},
            },
        )

    async def _index(self, name: str, one: int, two: int) -> None:
        known = sorted(self.reference.manifests[name])
        if known:
            chosen = {known[one % len(known)], known[two % len(known)]}
            children = [descriptor(each, media_types.OCI_MANIFEST) for each in sorted(chosen)]
            await self._push(name, one, media_types.OCI_INDEX, {"manifests": children})

    async def _artifact(self, name: str, one: int, two: int) -> None:
        known = sorted({each for some in self.reference.manifests.values() for each in some})
        if known:
            await self._need_blob(name, CONFIG)
            subject = descriptor(known[one % len(known)], media_types.OCI_MANIFEST)
            await self._push(
                name,
                two,
                media_types.OCI_MANIFEST,
                {
                    "config": descriptor(CONFIG),
                    "layers": [],
                    "subject": subject,
                    "artifactType": f"application/{two % 2}",
                },
            )

    async def _attach(self, name: str, one: int, two: int) -> None:
        known = sorted({each for some in self.reference.manifests.values() for each in some})
        if known:
            await self._need_blob(name, BLOBS[two % len(BLOBS)])
            subject = Digest.of(known[one % len(known)])
            await self._push(
                name,
                0,
                media_types.OCI_MANIFEST,
                {
                    "config": descriptor(BLOBS[two % len(BLOBS)]),
                    "layers": [],
                    "annotations": {"signature": str(two % 4)},
                },
                tag=f"sha256-{subject.hex}.sig",
            )

    async def _push(
        self, name: str, number: int, media_type: str, rest: dict[str, Any], tag: str | None = None
    ) -> None:
        manifest = json.dumps({"schemaVersion": 2, "mediaType": media_type, **rest}).encode()
        choice = (*TAGS, None, None)[number % 6]
        tags = [tag] if tag else [choice] if choice else []
        await self.scene.push(manifest, *tags, repository=name)
        self.reference.manifests[name].add(manifest)
        self.reference.tags[name].update(dict.fromkeys(tags, manifest))

    async def _mount(self, name: str, one: int, two: int) -> None:
        source = NAMES[one % len(NAMES)]
        blob = BLOBS[two % len(BLOBS)]
        await self.scene.registry.mount_blob(name, Digest.of(blob), source)
        self.reference.blobs[name].add(blob)

    async def _untag(self, name: str, one: int, two: int) -> None:
        known = sorted(self.reference.tags[name])
        if known:
            await self.scene.registry.delete_tag(name, known[one % len(known)])
            del self.reference.tags[name][known[one % len(known)]]

    async def _delete(self, name: str, one: int, two: int) -> None:
        known = sorted(self.reference.manifests[name])
        if known:
            gone = known[one % len(known)]
            await self.scene.registry.delete_manifest(name, Digest.of(gone))
            self.reference.manifests[name].remove(gone)
            tags = self.reference.tags[name]
            self.reference.tags[name] = {tag: to for tag, to in tags.items() if to != gone}

    async def _unblob(self, name: str, one: int, two: int) -> None:
        known = sorted(self.reference.blobs[name])
        if known:
            await self.scene.registry.delete_blob(name, Digest.of(known[one % len(known)]))
            self.reference.blobs[name].remove(known[one % len(known)])


def found(scene: Scene, prefix: str) -> set[str]:
    return {
        path.removeprefix(prefix).split("/")[1]
        for path in scene.store.objects
        if path.startswith(prefix)
    }


async def check(plot: list[tuple[str, str, int, int]], options: dict[str, Any]) -> None:
    scene = Scene()
    story = Story(scene)
    for number, step in enumerate(plot):
        await story.play(*step)
        if number % 5 == 4:
            scene.pass_by(timedelta(hours=1))
            await scene.collect()
    await scene.collect_all(**options)
    reference = story.reference
    contents: set[str] = set()
    for name in NAMES:
        stay = reference.expected_manifests(
            name, untagged="untagged" in options, expires="policy" in options
        )
        blobs = reference.expected_blobs(stay, name)
        assert found(scene, LAYOUT.revisions(name)) == {Digest.of(each).hex for each in stay}
        assert found(scene, LAYOUT.blob_links(name)) == {Digest.of(each).hex for each in blobs}
        contents |= {Digest.of(each).hex for each in stay | blobs}
    stored = {
        path.split("/")[-2] for path in scene.paths if path.startswith(f"{LAYOUT.base}blobs/")
    }
    assert stored == contents
    listed = await scene.instance().list_repositories(PageQuery())
    filled = {name for name in NAMES if found(scene, LAYOUT.revisions(name))}
    assert set(listed.entries) == filled


CASES: dict[str, dict[str, Any]] = {
    "no rules": {},
    "untagged": {"untagged": timedelta(days=2)},
    "expiring": {"policy": POLICY},
    "both": {"untagged": timedelta(days=2), "policy": POLICY},
    "in passes": {"untagged": timedelta(days=2), "policy": POLICY, "table_limit": 1},
}


@pytest.mark.parametrize("case", CASES)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(plot=steps)
def test_what_is_left_is_what_the_reference_says(
    case: str, plot: list[tuple[str, str, int, int]]
) -> None:
    anyio.run(check, plot, CASES[case])
