"""The root: what precedes ``docker/registry/v2/`` in the container, found by looking.

CNCF distribution v3 writes names as they are, v2 with a leading slash. Either can be used.
"""

from __future__ import annotations

from ..aio import together
from ..object_store.interface import ObjectStore, exists_below
from ..spec.errors import Unavailable
from .layout import Layout

PLAIN = ""
"""The root of distribution v3, and of a new container."""
LEADING_SLASH = "/"
"""The root of distribution v2."""


class RootAmbiguous(Unavailable):
    """Both roots are in use: to serve one would hide what is under the other."""


async def find_root(store: ObjectStore, *, setting: str) -> str:
    """Return the root that the container has. Two listings of one row, at the same time.

    :param setting: the name of the setting that chooses the root, for the message.
    :raises RootAmbiguous: the container has both.
    """
    plain, slashed = await together(_is_used(store, root) for root in (PLAIN, LEADING_SLASH))
    if plain and slashed:
        raise RootAmbiguous(
            f"the container holds two registries, one under {Layout(PLAIN).base!r} and one under "
            f"{Layout(LEADING_SLASH).base!r}; empty one of them, or set {setting} to "
            f"{LEADING_SLASH!r} for the one with the leading slash, to '.' for the one without"
        )
    return LEADING_SLASH if slashed else PLAIN


async def _is_used(store: ObjectStore, root: str) -> bool:
    return await exists_below(store, Layout(root).base)
