"""Images for real clients to push, each in an OCI image layout on disk.

Their layers are unpacked Debian packages, or noise where only the size matters. Packages give real
files in seconds, without the root access and mounts of a debootstrap file system, and few enough
for storage drivers that copy every file of every layer.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.programs import program

_REF_NAME = "org.opencontainers.image.ref.name"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"

_CREATED = "2026-01-01T00:00:00Z"
_MIB = 1 << 20

# Compressed, the first layer is larger than a block (8 MiB) and the last is tiny. The packages have
# few files, because clients create each file once per layer: most of a test's time.
DEBIAN_LAYERS = (
    ("base-files", "libc6", "skopeo"),
    ("busybox-static", "ca-certificates"),
    ("dash",),
)
# The first layer is shared. The second of arm64 is of a package for all architectures, too.
PLATFORM_LAYERS = {
    "linux/amd64": (("netbase",), ("dash",)),
    "linux/arm64": (("netbase",), ("media-types",)),
}


@dataclass(frozen=True)
class Identity:
    """The config and the uncompressed layers, which no client changes."""

    config_digest: str
    diff_ids: tuple[str, ...]


@dataclass(frozen=True)
class LayoutImage:
    """An image or an image index, tagged in an OCI image layout."""

    layout: Path
    tag: str

    @property
    def digest(self) -> str:
        """The digest of the manifest or index that the tag points to."""
        for descriptor in _read_index(self.layout)["manifests"]:
            if descriptor.get("annotations", {}).get(_REF_NAME) == self.tag:
                return str(descriptor["digest"])
        raise LookupError(f"{self.layout} has no tag {self.tag}")

    @property
    def manifest(self) -> dict[str, Any]:
        """The parsed manifest or index."""
        return self._json(self.digest)

    @property
    def identity(self) -> Identity:
        """The identity of an image (not of an index)."""
        return self._identity(self.manifest)

    def identity_for(self, platform: str) -> Identity:
        """Return the identity of an index's image for `platform`."""
        for child in self.manifest["manifests"]:
            if "{os}/{architecture}".format_map(child["platform"]) == platform:
                return self._identity(self._json(child["digest"]))
        raise LookupError(f"{self.layout} has nothing for {platform}")

    def _identity(self, manifest: Mapping[str, Any]) -> Identity:
        config_digest = manifest["config"]["digest"]
        return Identity(config_digest, tuple(self._json(config_digest)["rootfs"]["diff_ids"]))

    def _json(self, digest: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(_blob_path(self.layout, digest).read_bytes())
        return content


def debian_image(folder: Path, packages: Path) -> LayoutImage:
    """Build an image of three layers in the new `folder`; `packages` caches downloads."""
    return _build(folder, "debian", DEBIAN_LAYERS, packages)


def two_platform_index(folder: Path, packages: Path) -> LayoutImage:
    """Build an image index of an amd64 and an arm64 image in the new `folder`."""
    children = []
    for platform, layers in PLATFORM_LAYERS.items():
        system, architecture = platform.split("/")
        image = _build(folder, architecture, layers, packages, architecture)
        size = _blob_path(folder, image.digest).stat().st_size
        child = _descriptor(_MANIFEST, image.digest, size)
        children.append(child | {"platform": {"os": system, "architecture": architecture}})
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": children}
    _write_index(folder, _add_json(folder, _INDEX, index), "platforms")
    return LayoutImage(folder, "platforms")


def noise_image(folder: Path, *sizes: int) -> LayoutImage:
    """Build an image of uncompressed layers, each an incompressible file of the given size."""
    (folder / "blobs/sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    layers = [_add_noise_layer(folder, size) for size in sizes]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": _CREATED,
        "config": {"Cmd": ["/noise"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        "history": [{"created": _CREATED, "created_by": "noise"}] * len(layers),
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _add_json(folder, _CONFIG, config),
        "layers": layers,
    }
    _write_index(folder, _add_json(folder, _MANIFEST, manifest), "noise")
    return LayoutImage(folder, "noise")


def _build(
    folder: Path,
    tag: str,
    layers: Sequence[Sequence[str]],
    packages: Path,
    architecture: str = "amd64",
) -> LayoutImage:
    """Build a tagged image in the layout at `folder`, with a layer for each list of packages."""
    umoci, image = program("umoci"), f"{folder}:{tag}"
    if not folder.exists():
        _run(umoci, "init", "--layout", str(folder))
    _run(umoci, "new", "--image", image)
    _download(packages, [name for names in layers for name in names])
    for number, names in enumerate(layers):
        root = folder / f"layer-{number}"
        for name in names:
            archive = max(packages.glob(f"{name}_*.deb"))
            _run(program("dpkg-deb"), "--extract", str(archive), str(root))
        _set_times(root)
        created = ("--history.created", _CREATED, "--history.created_by", " ".join(names))
        _run(umoci, "insert", "--rootless", "--image", image, *created, str(root), "/")
        shutil.rmtree(root)
    created = ("--created", _CREATED, "--history.created", _CREATED)
    _run(umoci, "config", "--image", image, *created, "--architecture", architecture)
    return LayoutImage(folder, tag)


def _download(packages: Path, names: Sequence[str]) -> None:
    """Download the .deb files of these Debian packages to `packages`, unless they are there."""
    packages.mkdir(parents=True, exist_ok=True)
    with (packages / ".lock").open("w") as lock:  # two test runs may share the folder
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [name for name in names if not list(packages.glob(f"{name}_*.deb"))]
        if missing:
            # As root: apt's own user may not write here.
            as_self = ("-o", f"APT::Sandbox::User={getpass.getuser()}")
            _run(program("apt-get"), *as_self, "download", *missing, cwd=packages)


def _set_times(root: Path) -> None:
    """Give all files below `root` the same time, so that digests are reproducible."""
    for path in (root, *root.rglob("*")):
        os.utime(path, (0, 0), follow_symlinks=False)


def _add_noise_layer(folder: Path, size: int) -> dict[str, Any]:
    path = folder / "layer.tar"
    # Repeating 64 MiB defeats compressors, whose windows are smaller; numbering each MiB also
    # defeats stores that deduplicate blocks.
    noise = os.urandom(64 * _MIB)
    with path.open("wb") as file:
        info = tarfile.TarInfo("noise")
        info.size = size
        file.write(info.tobuf())
        for number in range(size // _MIB):
            start = number % 64 * _MIB
            file.write(number.to_bytes(8, "big"))
            file.write(noise[start + 8 : start + _MIB])
        file.write(bytes(2 * tarfile.BLOCKSIZE))
    with path.open("rb") as file:
        digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    path.rename(_blob_path(folder, digest))
    return _descriptor(_LAYER, digest, _blob_path(folder, digest).stat().st_size)


def _add_json(folder: Path, media_type: str, value: Mapping[str, Any]) -> dict[str, Any]:
    content = json.dumps(value).encode()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    _blob_path(folder, digest).write_bytes(content)
    return _descriptor(media_type, digest, len(content))


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _blob_path(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _read_index(layout: Path) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((layout / "index.json").read_bytes())
    return index


def _write_index(layout: Path, descriptor: Mapping[str, Any], tag: str) -> None:
    """Write an index with `tag` as the only tag of the layout."""
    tagged = {**descriptor, "annotations": {_REF_NAME: tag}}
    index = {"schemaVersion": 2, "manifests": [tagged]}
    (layout / "index.json").write_text(json.dumps(index))


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
