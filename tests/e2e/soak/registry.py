"""`python -m tests.e2e.soak.registry serve ...`: the registry, for a collection of short grace.

Everything that the registry promises for a time shrinks with the grace: SOAK_RELIED_ON is in
seconds. With SOAK_BLIND, it looks at what it relies on and takes no mark off: it loses content.
Each mark that it takes off is a line in the log, "pardoned PATH".
"""

from __future__ import annotations

import functools
import os
import sys
from unittest.mock import patch

from registry_core.object_store.interface import ObjectStore, Properties
from registry_core.storage import condemnation

_pardon = condemnation.pardon


async def _noted(store: ObjectStore, path: str, found: Properties) -> Properties:
    pardoned = await _pardon(store, path, found)
    if pardoned is not found:
        sys.stderr.write(f"pardoned {path}\n")
    return pardoned


async def _blind(_store: ObjectStore, _path: str, found: Properties) -> Properties:
    return found


def _main() -> int:
    pardon = _blind if os.environ.get("SOAK_BLIND") else _noted
    # Before anything else imports it by name.
    with patch.object(condemnation, "pardon", pardon):
        from registry_core import app
        from registry_core.cli.main import main
        from registry_core.storage.stored_registry import StoredRegistry

        seconds = float(os.environ["SOAK_RELIED_ON"])
        shortened = functools.partial(StoredRegistry, relied_on=seconds)
        with patch.object(app, "StoredRegistry", shortened):
            return main()


if __name__ == "__main__":
    sys.exit(_main())
