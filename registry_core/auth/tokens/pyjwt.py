"""PyJWT is imported with the first token that is signed or verified, not at the start.

It imports most of cryptography and an HTTP client, which takes as long as all of the registry.
"""

from __future__ import annotations

import asyncio
from importlib import import_module

_imported: set[str] = set()


async def load_pyjwt() -> None:
    """Import PyJWT in a thread, so that later ``import jwt`` statements cost nothing.

    Other requests are served meanwhile. Concurrent callers all wait until it is imported whole.
    """
    if "jwt" not in _imported:
        await asyncio.to_thread(import_module, "jwt")
        _imported.add("jwt")
