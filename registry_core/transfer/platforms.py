"""Platforms: parsed, normalized as containerd does, and matched with what an image index lists.

Sources: OCI image-spec, "Image Index", property ``platform``; containerd, package ``platforms``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import DigestInvalid
from ..spec.manifest import Manifest

_TEXT = re.compile(
    r"(?P<os>[A-Za-z0-9_-]+)(?:\((?P<version>[A-Za-z0-9_.-]+)\))?"
    r"/(?P<architecture>[A-Za-z0-9_-]+)(?:/(?P<variant>[A-Za-z0-9_.-]+))?"
)
_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "i386": "386",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
}
_VARIANT_OF_NAME = {"armhf": "v7", "armel": "v6"}
# What a platform without a variant means, and so how it is written here.
_DEFAULT_VARIANTS = {("amd64", "v1"): "", ("arm64", "v8"): "", ("arm", ""): "v7"}
_VARIANT_NUMBER = re.compile(r"v([0-9]+)")

# BuildKit, doc "Image attestation storage": what an index lists beside an image.
_ATTESTED = "vnd.docker.reference.digest"


@dataclass(frozen=True)
class Platform:
    """A platform, normalized: ``linux/arm64/v8`` equals ``linux/aarch64``. Empty: not known."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    def __post_init__(self) -> None:
        named = self.architecture.lower()
        architecture = _ARCHITECTURES.get(named, named)
        variant = _VARIANT_OF_NAME.get(named, self.variant.lower())
        if variant.isdecimal():
            variant = f"v{variant}"
        system = self.os.lower()
        object.__setattr__(self, "os", "darwin" if system == "macos" else system)
        object.__setattr__(self, "architecture", architecture)
        object.__setattr__(self, "variant", _DEFAULT_VARIANTS.get((architecture, variant), variant))

    def __str__(self) -> str:
        version = f"({self.os_version})" if self.os_version else ""
        return "/".join(filter(None, (self.os + version, self.architecture, self.variant)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``OS/ARCHITECTURE[/VARIANT]``; the OS may be followed by ``(VERSION)``.

        :raises ValueError: it is not one; the message has an example.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text[:80]!r} is not a platform; expected OS/ARCHITECTURE[/VARIANT], such as "
                "linux/amd64 or linux/arm/v7"
            )
        return cls(
            match["os"], match["architecture"], match["variant"] or "", match["version"] or ""
        )

    @classmethod
    def of_json(cls, document: object) -> Self | None:
        """Return the ``platform`` of a descriptor; None if it does not say which one it is."""
        if not isinstance(document, dict):
            return None
        names = ("os", "architecture", "variant", "os.version")
        system, architecture, variant, version = (_text(document.get(name)) for name in names)
        if system in ("", "unknown") or architecture in ("", "unknown"):
            return None
        return cls(system, architecture, variant, version)

    def distance(self, offered: Platform) -> int | None:
        """Return how far an offered platform is from this one: 0 if equal; None if it cannot serve.

        A processor runs what was built for lower variants of its architecture. A version of the OS
        counts only if this platform states one.
        """
        if (self.os, self.architecture) != (offered.os, offered.architecture):
            return None
        if self.os_version and self.os_version != offered.os_version:
            return None
        if self.variant == offered.variant:
            return 0
        wanted, found = self._variant_number, offered._variant_number
        return wanted - found if wanted and found and found < wanted else None

    @property
    def _variant_number(self) -> int | None:
        """The variant as a number, where variants build upon one another."""
        default = {"amd64": "v1", "arm64": "v8"}.get(self.architecture, "")
        match = _VARIANT_NUMBER.fullmatch(self.variant or default)
        return int(match[1]) if match else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class IndexEntry:
    """What an index lists. ``platform``: as the index says; None if it does not.

    ``attests`` is the digest of the image that this is an attestation of, if it is one.
    """

    descriptor: Descriptor
    platform: Platform | None = None
    attests: Digest | None = None


def index_entries(index: Manifest) -> tuple[IndexEntry, ...]:
    """Return what an index lists. For 4 MiB it takes up to 0.1 s: do it in a thread.

    :raises ManifestInvalid: the index is not valid.
    """
    descriptors = index.document.manifests
    raw: Sequence[Mapping[str, object]] = json.loads(index.content).get("manifests") or ()
    return tuple(
        IndexEntry(descriptor, Platform.of_json(entry.get("platform")), _attested(descriptor))
        for descriptor, entry in zip(descriptors, raw, strict=True)
    )


def _attested(descriptor: Descriptor) -> Digest | None:
    text = (descriptor.annotations or {}).get(_ATTESTED)
    if text is None:
        return None
    try:
        return Digest.parse(text)
    except DigestInvalid:
        return None


def best(wanted: Platform, offered: Sequence[IndexEntry]) -> tuple[IndexEntry, ...]:
    """Return the entries that serve a platform best: several if they are equally good."""
    distances = [
        (distance, entry)
        for entry in offered
        if entry.platform is not None and (distance := wanted.distance(entry.platform)) is not None
    ]
    least = min((distance for distance, _ in distances), default=None)
    return tuple(entry for distance, entry in distances if distance == least)
