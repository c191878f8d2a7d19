"""Programs that tests drive: container clients and what they need, found or skipped by name.

A developer's machine need not have them all; CI must, so there a missing one is a failure.
In a test or a fixture:

    podman = program("podman")          # its path; skips, or fails in CI, when it is not installed
    require("dockerd", "containerd")    # the same for several, when the paths do not matter

Both work at the top of a module too, where they skip the whole of it.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

DEBIAN_PACKAGES = {
    "containerd": "containerd",
    "crun": "crun",
    "ctr": "containerd",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "dockerd": "docker.io",
    "podman": "podman",
    "runc": "runc",
    "skopeo": "skopeo",
    "umoci": "umoci",
}

# Daemons and debootstrap live in sbin, which the PATH of an ordinary user leaves out.
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def program(name: str) -> str:
    """The path of the program called `name`; skips the test when it is missing, fails it in CI."""
    path = _find(name)
    if path is None:
        _unavailable([name])
    return path


def require(*names: str) -> None:
    """Skip the test when one of these programs is missing, fail it in CI; the reason names all."""
    missing = [name for name in names if _find(name) is None]
    if missing:
        _unavailable(missing)


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_FOLDERS)))


def _unavailable(names: list[str]) -> NoReturn:
    reason = "not installed: " + ", ".join(_with_package(name) for name in names)
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}. In CI nothing is skipped", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def _with_package(name: str) -> str:
    package = DEBIAN_PACKAGES.get(name)
    return f"{name} (Debian package {package})" if package else name
