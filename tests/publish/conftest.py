"""The published package, and an empty environment that requirements.txt was installed into."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.tree import PROJECT, tracked
from tests.support.package import core_tools_files, write_zip

_PIP_SECONDS = 900  # every wheel may have to come over a slow network
SITE_PACKAGES = Path(".python_packages/lib/site-packages")  # where the remote build puts them


@dataclass(frozen=True)
class Published:
    """The package as it lies in Azure: unpacked, with what it needs. ``python`` has nothing."""

    folder: Path
    python: Path
    zip_size: int

    @property
    def site_packages(self) -> Path:
        return self.folder / SITE_PACKAGES


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which somebody has worked for a while, and left things lying about."""
    root = tmp_path_factory.mktemp("clone")
    for path in tracked():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / path, root / path)
    for path in _LEFT_LYING:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("not for Azure")
    return root


_LEFT_LYING = (
    ".azure/registry/.env",
    ".env",
    ".hypothesis/examples/1",
    ".local/azurite/__blobstorage__/1",
    ".mypy_cache/3.11/cache.json",
    ".venv/bin/python",
    ".venv-313/lib/python3.13/site-packages/rich/__init__.py",
    ".vscode/settings.json",
    "azure.yaml",
    "azurite.log",
    "__pycache__/function_app.cpython-313.pyc",
    "htpasswd",
    "infra/main.bicep",
    "local.settings.json",
    "notes.md",
    "registry.zip",
    "registry_core/.DS_Store",
    "registry_core/__pycache__/wiring.cpython-313.pyc",
    "registry_core/auth/rules/__pycache__/rule.cpython-313.pyc",
    "rules.toml",
    "signing-key.pem",
    "tests/__pycache__/conftest.cpython-313.pyc",
)


@pytest.fixture(scope="session")
def published(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The package, unpacked, and beside it what requirements.txt names, as the remote build does.

    Two things are otherwise there: it takes the newest versions that requirements.txt allows, where
    here constraints.txt decides, so that two runs test the same; and it would compile what has no
    wheel, which fails here.
    """
    folder = tmp_path_factory.mktemp("wwwroot")
    package = folder.with_suffix(".zip")
    write_zip(clone, core_tools_files(clone), package)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    environment = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary", ":all:", "--target", folder / SITE_PACKAGES]
    command += ["-r", folder / "requirements.txt", "-c", PROJECT / "constraints.txt"]
    installed = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_PIP_SECONDS
    )
    assert installed.returncode == 0, installed.stderr
    return Published(folder, python, package.stat().st_size)
