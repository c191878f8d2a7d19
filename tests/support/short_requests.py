"""`python -m tests.support.short_requests serve ...`: the local server, whose requests are short.

In one request it hashes `TESTS_HASHED_MIB` MiB of what clients have written to storage, or a little
more: its clock is the number of the bytes that were read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any
from unittest.mock import patch

from registry_core import app
from registry_core.cli.main import main
from registry_core.storage import staged_content, stored_registry
from registry_core.storage.ranged_reads import read_pieces

HASHED_MIB = "TESTS_HASHED_MIB"

_MIB = 1 << 20
_read = [0]


async def _counted(*args: Any, **options: Any) -> AsyncGenerator[bytes, None]:
    """Do as `read_pieces`, and count the bytes."""
    inner = await read_pieces(*args, **options)

    async def pieces() -> AsyncGenerator[bytes, None]:
        async with aclosing(inner):
            async for piece in inner:
                _read[0] += len(piece)
                yield piece

    return pieces()


if __name__ == "__main__":
    brief = partial(stored_registry.StoredRegistry, hash_seconds=float(os.environ[HASHED_MIB]))
    counting = partial(staged_content.StagedContent, monotonic=lambda: _read[0] / _MIB)
    with (
        patch.object(staged_content, "read_pieces", _counted),
        patch.object(stored_registry, "StagedContent", counting),
        patch.object(app, "StoredRegistry", brief),
    ):
        sys.exit(main())
