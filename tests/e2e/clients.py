"""docker, podman, skopeo and containerd's ctr behind one interface for pushing and pulling images.

Each removes an image from its store after a push or pull, so that the next one goes to the registry
for everything. References are `host:port/name:tag` or `host:port/name@digest`, platforms
`linux/amd64`; connections are without TLS.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.e2e.images import Identity, LayoutImage
from tests.support.programs import program

_SECONDS = 1500  # for the largest layers; most tests end sooner by themselves


@dataclass(frozen=True)
class Pulled:
    """An image as a client's store describes it after a pull."""

    digest: str
    """The digest of the manifest or index that the reference names."""
    identity: Identity


class ImageClient(Protocol):
    """A container client. Both methods raise `CommandFailed` when the client fails."""

    def push(self, image: LayoutImage, reference: str) -> str:
        """Push `image`, an index with all its images; return the digest that the client reports."""

    def pull(self, reference: str, platform: str = "linux/amd64") -> Pulled:
        """Pull an image; from an index, the one for `platform`."""


class CommandFailed(AssertionError):
    """A client's command failed; the message is the command and its output."""


class Docker:
    """docker with the daemon at `socket`. It cannot read OCI layouts and pushes one platform."""

    def __init__(self, socket: str, folder: Path) -> None:
        # A separate configuration, without the credentials of the developer.
        self._docker = (program("docker"), f"--config={folder}/config", f"--host={socket}")
        self._archive = folder / "docker-archive.tar"

    def push(self, image: LayoutImage, reference: str) -> str:
        to_archive = ("copy", "--quiet", _oci(image), f"docker-archive:{self._archive}:{reference}")
        _run(program("skopeo"), *to_archive)
        _run(*self._docker, "load", "--input", str(self._archive))
        self._archive.unlink()
        report = _run(*self._docker, "push", reference)
        self._remove(reference)
        return _only_match(r"digest: (\S+) size:", report)

    def pull(self, reference: str, platform: str = "linux/amd64") -> Pulled:
        report = _run(*self._docker, "pull", f"--platform={platform}", reference)
        [image] = json.loads(_run(*self._docker, "image", "inspect", reference))
        self._remove(reference)
        identity = Identity(image["Id"], tuple(image["RootFS"]["Layers"]))
        return Pulled(_only_match(r"Digest: (\S+)", report), identity)

    def _remove(self, reference: str) -> None:
        _run(*self._docker, "image", "rm", "--force", reference)


class Podman:
    """podman, without a daemon."""

    def __init__(self, folder: Path) -> None:
        store = (f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs")
        self._podman = (program("podman"), *store)
        self._digest = folder / "digest"

    def push(self, image: LayoutImage, reference: str) -> str:
        image_id = self._pull(_oci(image))
        report = ("--tls-verify=false", f"--digestfile={self._digest}")
        _run(*self._podman, "push", *report, image_id, f"docker://{reference}")
        self._remove(image_id)
        return self._digest.read_text().strip()

    def pull(self, reference: str, platform: str = "linux/amd64") -> Pulled:
        image_id = self._pull("--tls-verify=false", f"--platform={platform}", reference)
        [image] = json.loads(_run(*self._podman, "image", "inspect", image_id))
        self._remove(image_id)
        identity = Identity(f"sha256:{image['Id']}", tuple(image["RootFS"]["Layers"]))
        return Pulled(image["Digest"], identity)

    def _pull(self, *arguments: str) -> str:
        return _run(*self._podman, "pull", "--quiet", *arguments).strip()

    def _remove(self, image_id: str) -> None:
        _run(*self._podman, "image", "rm", "--force", image_id)


class Skopeo:
    """skopeo, which copies between registries and folders; it has no store."""

    def __init__(self, folder: Path) -> None:
        self._skopeo = (program("skopeo"), "--insecure-policy")
        self._digest = folder / "digest"
        self._pulled = folder / "pulled"

    def push(self, image: LayoutImage, reference: str) -> str:
        # Without this, skopeo may replace blobs by compressed ones that other clients pushed.
        copy = ("copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false")
        report = f"--digestfile={self._digest}"
        _run(*self._skopeo, *copy, report, _oci(image), f"docker://{reference}")
        return self._digest.read_text().strip()

    def pull(self, reference: str, platform: str = "linux/amd64") -> Pulled:
        # A `dir:` holds the manifest as it came, byte for byte, and the blobs by their digests.
        system, architecture = platform.split("/")
        platform_flags = (f"--override-os={system}", f"--override-arch={architecture}")
        copy = ("copy", "--quiet", "--src-tls-verify=false", f"docker://{reference}")
        _run(*self._skopeo, *platform_flags, *copy, f"dir:{self._pulled}")
        manifest = (self._pulled / "manifest.json").read_bytes()
        config_digest = json.loads(manifest)["config"]["digest"]
        config = json.loads((self._pulled / config_digest.split(":")[1]).read_bytes())
        shutil.rmtree(self._pulled)
        identity = Identity(config_digest, tuple(config["rootfs"]["diff_ids"]))
        return Pulled("sha256:" + hashlib.sha256(manifest).hexdigest(), identity)


class Ctr:
    """containerd's ctr with the daemon at `socket`; each command gets `user`, `name:password`."""

    def __init__(self, socket: str, folder: Path) -> None:
        self.user = ""
        self._ctr = (program("ctr"), f"--address={socket}")
        self._archive = folder / "oci-archive.tar"

    def push(self, image: LayoutImage, reference: str) -> str:
        _run("tar", "--create", f"--file={self._archive}", f"--directory={image.layout}", ".")
        imported = ("--all-platforms", "--no-unpack", "--base-name=pushed", str(self._archive))
        _run(*self._ctr, "images", "import", *imported)
        self._archive.unlink()
        local = f"pushed:{image.tag}"
        _run(*self._ctr, "images", "push", *self._remote, reference, local)
        digest = self._digest(local)
        self._remove(local)
        return digest

    def pull(self, reference: str, platform: str = "linux/amd64") -> Pulled:
        flags = (*self._remote, "--snapshotter=native", f"--platform={platform}")
        _run(*self._ctr, "images", "pull", *flags, reference)
        digest = self._digest(reference)
        manifest = self._content(digest)
        for child in manifest.get("manifests", ()):
            if "{os}/{architecture}".format_map(child["platform"]) == platform:
                manifest = self._content(child["digest"])
        config_digest = manifest["config"]["digest"]
        diff_ids = self._content(config_digest)["rootfs"]["diff_ids"]
        self._remove(reference)
        return Pulled(digest, Identity(config_digest, tuple(diff_ids)))

    @property
    def _remote(self) -> tuple[str, ...]:
        return ("--plain-http", *([f"--user={self.user}"] if self.user else []))

    def _digest(self, reference: str) -> str:
        listed = _run(*self._ctr, "images", "list", f"name=={reference}")
        return _only_match(r"\s(sha256:[0-9a-f]{64})\s", listed)

    def _content(self, digest: str) -> Any:
        return json.loads(_run(*self._ctr, "content", "get", digest))

    def _remove(self, reference: str) -> None:
        _run(*self._ctr, "images", "remove", "--sync", reference)


def _oci(image: LayoutImage) -> str:
    return f"oci:{image.layout}:{image.tag}"


def _only_match(pattern: str, text: str) -> str:
    found = re.findall(pattern, text)
    if len(found) != 1:
        raise AssertionError(f"expected {pattern} once in:\n{text}")
    return str(found[0])


def _run(*command: str) -> str:
    """Run a command and return its output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout
