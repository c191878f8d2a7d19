"""Signs that another registry writes to the container, and may rely on what is condemned.

CNCF distribution takes no mark off. It writes links without metadata, and uploads in repositories.
"""

from __future__ import annotations

from ...storage.layout import Layout
from ...storage.layout_parse import Kind
from ..walk import ListedObject
from .acts import Acts
from .listing import list_objects

_WRITTEN_BY_IT = {
    Kind.LAYER_LINK,
    Kind.REVISION_LINK,
    Kind.TAG_LINK,
    Kind.INDEX_LINK,
    Kind.UPLOAD,
}

SETTING = "REGISTRY_GC_SHARED"


async def why_not_to_sweep(acts: Acts, layout: Layout) -> str:
    """Return why nothing that is condemned may be deleted in this run; empty if it may.

    One call for 5,000 objects in repositories, unless the setting decides.
    """
    shared = acts.options.shared
    if shared is None:
        path = await _find_sign(acts, layout)
        return path and (
            f"{path} was written lately, by another registry it seems: as long as one writes to "
            f"this container, what it relies on could be deleted. Once none does, set {SETTING} to "
            "false"
        )
    return f"{SETTING} is true: another registry writes to this container" if shared else ""


async def _find_sign(acts: Acts, layout: Layout) -> str:
    async for rows in list_objects(acts.store, layout.repository("")):
        for item in rows:
            if _is_sign(item) and not acts.is_older(item.properties, acts.options.grace):
                return item.path
    return ""


def _is_sign(item: ListedObject) -> bool:
    # What we condemn gets its digest with the mark.
    return item.place.kind in _WRITTEN_BY_IT and "digest" not in item.properties.metadata
