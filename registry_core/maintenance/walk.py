"""The walk over a container: every object in one listing, its path parsed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ..object_store.interface import ObjectStore, Properties, list_all
from ..storage.layout_parse import Place, parse_path

_PROGRESS_EVERY = 1000


@dataclass(frozen=True)
class Progress:
    """How far a stage of a maintenance job is: ``done`` of ``total``, counted in ``unit``.

    ``total`` is None while it is not known.
    """

    stage: str
    done: int
    total: int | None
    unit: str


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as the listing showed it; ``place`` is what its path means in the layout."""

    path: str
    place: Place
    properties: Properties


@dataclass(frozen=True, slots=True)
class ListedBlocks:
    """A path where blocks are staged and no object is committed."""

    path: str
    place: Place


async def walk(
    store: ObjectStore, prefix: str, on_progress: OnProgress
) -> AsyncIterator[ListedObject | ListedBlocks]:
    """Yield every object under ``prefix`` with its metadata, in lexical order of paths.

    Among them are the paths where blocks are staged that nobody has committed.

    A registry's content and catalog markers therefore come before its repositories, and each
    repository's links come together. One call per 5,000 objects. What is written or deleted
    during the walk may be missing or be listed all the same.

    :raises StoreUnavailable: the walk ends early.
    """
    number = 0
    async for entry in list_all(store, prefix, metadata=True, uncommitted=True):
        place = parse_path(entry.path)
        if entry.properties is None:  # a listing without folders has no other rows of this form
            yield ListedBlocks(entry.path, place)
        else:
            yield ListedObject(entry.path, place, entry.properties)
        number += 1
        if number % _PROGRESS_EVERY == 1:
            on_progress(Progress("listing", number, None, "objects"))
