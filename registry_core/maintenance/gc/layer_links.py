"""Garbage of class 1: layer links that no manifest of their repository names."""

from __future__ import annotations

from ...storage.layout import Layout
from ...storage.layout_parse import Kind
from ..walk import ListedObject
from .acts import Acts, Candidate
from .listing import list_objects
from .report import Part
from .repository import ListedRepository

_REASON = "no manifest of the repository names it"


async def collect_layer_links(acts: Acts, layout: Layout, repository: ListedRepository) -> None:
    """Condemn or delete the layer links that no manifest names, and pardon condemned ones.

    The repository's manifests have been read. No call where all links are named and none is
    condemned; otherwise they are listed again, so that no row is older than it has to be.
    """
    layers = repository.layers
    for digest in repository.unknown:
        layers.mark(digest)
    acts.report.parts[Part.LAYER_LINKS].examined += len(layers)
    if not repository.has_condemned_layers and layers.are_all_marked():
        return
    prefix = f"{layout.repository(repository.name)}/_layers/"
    async for rows in list_objects(acts.store, prefix):
        await acts.settle(
            Part.LAYER_LINKS, (_candidate(item) for item in rows if _is_garbage(item, repository))
        )
        await acts.pardon_all(
            Part.LAYER_LINKS, (item for item in rows if _is_wanted(item, repository))
        )


def _is_garbage(item: ListedObject, repository: ListedRepository) -> bool:
    digest, layers = item.place.digest, repository.layers
    return (
        item.place.kind is Kind.LAYER_LINK
        and digest is not None
        and digest in layers
        and not layers.is_marked(digest)
    )


def _is_wanted(item: ListedObject, repository: ListedRepository) -> bool:
    digest = item.place.digest
    return digest is not None and repository.layers.is_marked(digest)


def _candidate(item: ListedObject) -> Candidate:
    return Candidate(item.path, item.properties, _REASON, adding=stated(item))


def stated(item: ListedObject) -> dict[str, str]:
    """Return the metadata that a link written by another registry gets with the mark.

    Without its digest, the link would look as if that registry had written it just now.
    """
    digest = item.place.digest
    if "digest" in item.properties.metadata or digest is None:
        return {}
    return {"digest": str(digest)}
