"""What stands before ``docker/registry/v2/`` in the container: found by looking.

CNCF distribution v3 names blobs as they are, v2 with a slash in front of all. Both are ours to use.
"""

from __future__ import annotations

from ..aio import together
from ..object_store.interface import ObjectStore
from ..spec.errors import Unavailable
from .layout import Layout

PLAIN = ""
"""distribution v3's form, and that of a new container."""
LEADING_SLASH = "/"
"""distribution v2's form."""


class RootAmbiguous(Unavailable):
    """Both forms of names are in use: to serve one would hide what lies under the other."""


async def find_root(store: ObjectStore, *, setting: str) -> str:
    """The form of names that the container has. Two calls, at the same time, of one row each.

    ``setting``: the name of what settles it, for the message.

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
    page = await store.list_page(Layout(root).base, limit=1)
    return bool(page.entries)
