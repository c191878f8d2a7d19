"""Only one place knows Azure's SDK, only the upper floors HTTP, only config/ the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from .imports import violations
from .tree import PROJECT, tracked


def test_each_outside_package_is_used_only_where_it_belongs() -> None:
    """The table in imports.py holds for the whole app."""
    sources = tracked("registry_core/*.py", "function_app.py")
    assert len(sources) > 20
    assert [found for path in sources for found in violations(path, source(path))] == []


@pytest.mark.parametrize(
    "path, statement, name",
    [
        ("registry_core/storage/blobs.py", "import azure.storage.blob", "azure.storage.blob"),
        ("registry_core/app.py", "from azure.identity import X", "azure.identity.X"),
        ("registry_core/config/reading.py", "from azure import core", "azure.core"),
        ("registry_core/server/blobs.py", "from azure.core import X", "azure.core.X"),
        ("registry_core/storage/blobs.py", "def f():\n    import starlette", "starlette"),
        ("registry_core/server/urls.py", "from fastapi import Request", "fastapi.Request"),
        ("registry_core/server/urls.py", "from os import environ", "os.environ"),
        ("registry_core/app.py", "import os\nos.environ['A']", "os.environ"),
        ("registry_core/serve/run.py", "import os\nos.getenv('A')", "os.getenv"),
        ("registry_core/auth/tokens/keys.py", "import aiohttp", "aiohttp"),
        ("registry_core/spec/names.py", "import yarl", "yarl"),
        ("registry_core/spec/digest.py", "from jwt import encode", "jwt.encode"),
    ],
)
def test_a_use_elsewhere_is_found(path: str, statement: str, name: str) -> None:
    """The test above sees every way to write it."""
    line = statement.count("\n") + 1
    assert violations(Path(path), statement) == [f"{path}:{line} uses {name}"]


@pytest.mark.parametrize(
    "path, statement",
    [
        ("registry_core/object_store/azure/store.py", "from azure.core import MatchConditions"),
        ("registry_core/server/urls.py", "from starlette.requests import Request"),
        ("registry_core/spec/names.py", "import re\nfrom . import digest"),
        ("registry_core/config/reading.py", "import os\nos.environ"),
        ("function_app.py", "import azure.functions as func"),
    ],
)
def test_a_use_where_it_belongs_is_no_violation(path: str, statement: str) -> None:
    """The places that the house gives to a package may use it."""
    assert violations(Path(path), statement) == []


def source(path: Path) -> str:
    return (PROJECT / path).read_text()
