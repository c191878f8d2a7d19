"""Run `cold_start_probe` in new processes: the modules and the time that a cold start takes.

The import rules of `tests/house` and `python -m benchmarks.cold_start` both use it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registry_core.auth.sources.htpasswd import LEAST_COST, htpasswd_line
from registry_core.auth.tokens.keys import SigningKey

PROJECT = Path(__file__).resolve().parents[1]

BASE = ("azure.functions", "azurefunctions.extensions.http.fastapi", "aiohttp")
"""The Functions extension and the HTTP client; everything else that the app imports is its own
choice."""

ANSWER = ("--answer",)
"""Start the app and let it answer; followed by modules to import afterwards."""

IDENTITY = "none, by identity"
"""Storage accessed with a managed identity instead of a key."""

COLLECTING = "none, with a timer"
"""With a timer that collects garbage."""

_STORAGE = {
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "devstoreaccount1",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "registry",
    # A configured root is not looked up, so the first request makes no storage call.
    "REGISTRY_STORAGE_AZURE_ROOTDIRECTORY": ".",
    "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
}
_STORAGE_KEY = {"REGISTRY_STORAGE_AZURE_ACCOUNTKEY": "a2V5"}
_SERVICE = "registry.test"
_RULES = """
[[rule]]
who = ["user:alice"]
may = ["pull", "push", "delete"]
on = ["**"]
"""


class ProcessFailed(Exception):
    """The probe failed; the text ends with its output."""


@dataclass(frozen=True)
class Started:
    """The result of one probe.

    ``imported``, ``answered`` and ``later`` (what was imported after the answer) are seconds and
    CPU seconds; ``status`` is that of the answer, and ``modules`` were imported by then.
    ``collects``: whether the garbage collector is enabled; it ignores ``frozen`` objects.
    """

    imported: tuple[float, float]
    modules: frozenset[str]
    answered: tuple[float, float] = (0.0, 0.0)
    later: tuple[float, float] = (0.0, 0.0)
    status: int = 0
    collects: bool = True
    frozen: int = 0

    def has(self, name: str) -> bool:
        """Return whether the module or any of its submodules was imported."""
        return any(f"{module}.".startswith(f"{name}.") for module in self.modules)

    @property
    def packages(self) -> frozenset[str]:
        """The top-level packages outside the standard library."""
        first = {name.partition(".")[0] for name in self.modules}
        library = sys.stdlib_module_names
        return frozenset(name for name in first if not {name, name.lstrip("_")} & library)


def settings() -> dict[str, dict[str, str]]:
    """Return an environment for each mode of `REGISTRY_AUTH`, and for two other choices."""
    key, with_key = SigningKey.generate(), _STORAGE | _STORAGE_KEY
    users = {
        "REGISTRY_AUTH_HTPASSWD_PATH": htpasswd_line("alice", "a password", LEAST_COST),
    }
    by_password = {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": _SERVICE, **users}
    builtin = {
        **with_key,
        **users,
        "REGISTRY_AUTH": "builtin",
        "REGISTRY_AUTH_BUILTIN_SERVICE": _SERVICE,
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": key.pem(),
        "REGISTRY_AUTH_RULES": _RULES,
    }
    return {
        "none": {**with_key, "REGISTRY_AUTH": "none"},
        "htpasswd": with_key | by_password,
        "htpasswd with rules": with_key | by_password | {"REGISTRY_AUTH_RULES": _RULES},
        "token": {
            **with_key,
            "REGISTRY_AUTH": "token",
            "REGISTRY_AUTH_TOKEN_REALM": "https://issuer.test/token",
            "REGISTRY_AUTH_TOKEN_SERVICE": _SERVICE,
            "REGISTRY_AUTH_TOKEN_ISSUER": "issuer.test",
            "REGISTRY_AUTH_TOKEN_JWKS": json.dumps({"keys": [key.jwk]}),
        },
        "builtin": builtin,
        "builtin with Entra ID": {
            **builtin,
            "REGISTRY_AUTH_BUILTIN_ENTRA_TENANTID": "5f3c2bd5-2f0e-4a5e-9c68-6f8b5a3c4d11",
            "REGISTRY_AUTH_BUILTIN_ENTRA_CLIENTID": "0c0f5b5e-90c9-4a31-8d13-3f2b3a8a7a10",
        },
        IDENTITY: {**_STORAGE, "REGISTRY_AUTH": "none"},
        COLLECTING: {**with_key, "REGISTRY_AUTH": "none", "REGISTRY_GC_ENABLED": "true"},
    }


def start(arguments: tuple[str, ...], environment: Mapping[str, str]) -> Started:
    """Run the probe in a new process.

    ``environment`` is added to this process's own, without the latter's registry settings.

    :raises ProcessFailed: when the probe fails.
    """
    found = json.loads(_run((), arguments, environment).stdout.splitlines()[-1])
    return Started(**{**found, "modules": frozenset(found["modules"])})


def import_times(arguments: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """Return the output of ``python -X importtime`` for a probe. Otherwise like `start`."""
    return _run(("-X", "importtime"), arguments, environment).stderr


def _run(
    options: tuple[str, ...], arguments: tuple[str, ...], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    left_out = ("REGISTRY_", "AZURE_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    process = subprocess.run(
        [sys.executable, *options, "-m", "tools.cold_start_probe", *arguments],
        cwd=PROJECT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        raise ProcessFailed(f"the probe failed:\n{process.stderr}")
    return process
