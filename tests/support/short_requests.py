"""`python -m tests.support.short_requests serve ...`: the local server; its requests hash briefly.

`TESTS_HASH_SECONDS` is for how long one hashes what a client has written to storage.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from unittest.mock import patch

from registry_core import app
from registry_core.cli.main import main
from registry_core.storage.stored_registry import StoredRegistry

SECONDS = "TESTS_HASH_SECONDS"

if __name__ == "__main__":
    brief = partial(StoredRegistry, hash_seconds=float(os.environ[SECONDS]))
    with patch.object(app, "StoredRegistry", brief):
        sys.exit(main())
