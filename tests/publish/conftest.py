"""The package published to Azure, with its requirements, and an environment without packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.package import Published, clone_to, publish


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with leftovers of work: caches, environments, secrets."""
    root = tmp_path_factory.mktemp("clone")
    clone_to(root)
    for path in _LEFTOVERS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("not for Azure")
    return root


_LEFTOVERS = (
    ".azure/registry/.env",
    ".env",
    ".hypothesis/examples/1",
    ".local/azurite/__blobstorage__/1",
    ".mypy_cache/3.11/cache.json",
    ".venv/bin/python",
    ".venv-313/lib/python3.13/site-packages/rich/__init__.py",
    ".vscode/settings.json",
    "__pycache__/function_app.cpython-313.pyc",
    "azure.yaml",
    "azurite.log",
    "htpasswd",
    "registry.pfx",
    "tls.key",
    "registry_core/auth/rules.toml",
    "registry_core/auth/signing-key.pem",
    "registry_core/server/registry.pfx",
    "registry_core/server/tls.key",
    "registry_env/bin/python",  # azd makes one, if it is asked to restore packages
    "infra/main.bicep",
    "local.settings.json",
    "notes.md",
    "registry.zip",
    "registry_core/.DS_Store",
    "registry_core/__pycache__/app.cpython-313.pyc",
    "registry_core/auth/rules/__pycache__/rule.cpython-313.pyc",
    "rules.toml",
    "signing-key.pem",
    "tests/__pycache__/conftest.cpython-313.pyc",
)


@pytest.fixture(scope="session")
def published(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The published package with its requirements; installed once, because that takes minutes."""
    return publish(clone, tmp_path_factory.mktemp("wwwroot"), tmp_path_factory.mktemp("empty"))
