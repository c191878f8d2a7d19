"""What a Python source uses from outside the project, found without running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

# What only some places may use: the beginning of a dotted name, and of the paths that may use it.
CONFINED = {
    "aiohttp": ("registry_core/auth/tokens/remote_keys.py", "registry_core/object_store/azure"),
    "azure.core": ("registry_core/object_store/azure",),
    "azure.identity": ("registry_core/object_store/azure",),
    "azure.storage": ("registry_core/object_store/azure",),
    "azure.functions": ("function_app.py", "registry_core/serve/"),
    "azurefunctions": ("function_app.py",),
    "fastapi": (),
    "starlette": (
        "function_app.py",
        "registry_core/functions/",
        "registry_core/serve/",
        "registry_core/server/",
    ),
    "httptools": ("registry_core/serve/",),
    "uvicorn": ("registry_core/serve/",),
    "uvloop": ("registry_core/serve/",),
    "rich": ("registry_core/cli/",),
    # __main__ hands the environment on; local/ completes it before it imports the app.
    "os.environ": ("registry_core/config/", "registry_core/__main__.py"),
    "os.environb": (),
    "os.getenv": (),
}


def violations(path: Path, source: str) -> list[str]:
    """What the source at ``path`` (relative to the project) uses and may not."""
    spec = path.is_relative_to("registry_core/spec")
    found = []
    for line, name in _names_used(ast.parse(source)):
        outside = name.split(".")[0] not in {*sys.stdlib_module_names, "registry_core"}
        if (spec and outside) or not _is_allowed(path, name):
            found.append(f"{path}:{line} uses {name}")
    return found


def _is_allowed(path: Path, name: str) -> bool:
    return all(
        path.as_posix().startswith(places)
        for confined, places in CONFINED.items()
        if f"{name}.".startswith(f"{confined}.")
    )


def _names_used(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Absolute imports, and attributes of `os`, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os":
            yield node.lineno, f"os.{node.attr}"
