"""Programs that tests run: container clients and their tools.

    podman = program("podman")    # its path; skips the test, or fails it in CI, when not installed

At the top of a module, it skips the whole module.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

DEBIAN_PACKAGES = {
    "chromium": "chromium",
    "containerd": "containerd",
    "crun": "crun",
    "ctr": "containerd",
    "curl": "curl",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "dockerd": "docker.io",
    "podman": "podman",
    "runc": "runc",
    "skopeo": "skopeo",
    "umoci": "umoci",
}

# Daemons are in sbin, which the PATH of an ordinary user lacks.
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def program(name: str) -> str:
    """Return the path of the program `name`. Skip the test when it is missing; in CI, fail it."""
    path = _find(name)
    if path is None:
        _unavailable(name)
    return path


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_FOLDERS)))


def _unavailable(name: str) -> NoReturn:
    package = DEBIAN_PACKAGES.get(name)
    reason = f"not installed: {name}" + (f" (Debian package {package})" if package else "")
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}. In CI nothing is skipped", pytrace=False)
    pytest.skip(reason, allow_module_level=True)
