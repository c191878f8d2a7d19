"""Processes that are new, and what they import: `cold_start_probe`, seen from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.access_modes import modes
from tests.support.host import PROJECT

EXTENSION = ("azure.functions", "azurefunctions.extensions.http.fastapi")
SDK = ("azure.storage.blob.aio",)
"""What the app cannot do without; all else that it imports is of its own choice."""

ANSWER = ("--answer",)

_ACCOUNT = {
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "devstoreaccount1",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "registry",
    # Nothing is looked for in the container, so that nothing is asked of storage.
    "REGISTRY_STORAGE_AZURE_ROOTDIRECTORY": ".",
    "REGISTRY_HTTP_SECRET": "a secret of the tests, and of nobody else",
}
IDENTITY = "none, by identity"
"""Storage without a key."""


class ProcessFailed(Exception):
    """With what the process said last."""


@dataclass(frozen=True)
class Started:
    """``imported`` and ``answered``: seconds, and seconds of CPU; ``status`` of the answer.

    ``collects``: whether the garbage collector works; it does not look at ``frozen`` objects.
    """

    imported: tuple[float, float]
    modules: frozenset[str]
    answered: tuple[float, float] = (0.0, 0.0)
    status: int = 0
    collects: bool = True
    frozen: int = 0

    def has(self, name: str) -> bool:
        """Whether the module, or any below it, was imported."""
        return any(f"{module}.".startswith(f"{name}.") for module in self.modules)

    @property
    def packages(self) -> frozenset[str]:
        """The packages from outside the standard library, by their first names."""
        first = {name.partition(".")[0] for name in self.modules}
        return frozenset(name for name in first if name.lstrip("_") not in sys.stdlib_module_names)


def settings() -> dict[str, dict[str, str]]:
    """An environment for each mode of `REGISTRY_AUTH`, and for storage by identity."""
    with_key = {**_ACCOUNT, "REGISTRY_STORAGE_AZURE_ACCOUNTKEY": "a2V5"}
    by_mode = {mode.name: {**with_key, **mode.environment} for mode in modes()}
    return {**by_mode, IDENTITY: {**_ACCOUNT, "REGISTRY_AUTH": "none"}}


def start(arguments: tuple[str, ...], environment: Mapping[str, str]) -> Started:
    """Run the probe in a new process.

    ``environment`` is added to this process's own, less what configures a registry.
    :raises ProcessFailed: it ended otherwise than it should.
    """
    found = json.loads(_run((), arguments, environment).stdout.splitlines()[-1])
    return Started(**{**found, "modules": frozenset(found["modules"])})


def import_times(arguments: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """What ``python -X importtime`` writes of the probe. Otherwise as `start`."""
    return _run(("-X", "importtime"), arguments, environment).stderr


def _run(
    options: tuple[str, ...], arguments: tuple[str, ...], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    left_out = ("REGISTRY_", "AZURE_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    process = subprocess.run(
        [sys.executable, *options, "-m", "tests.support.cold_start_probe", *arguments],
        cwd=PROJECT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        raise ProcessFailed(f"the new process failed:\n{process.stderr}")
    return process
