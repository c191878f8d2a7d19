"""The contract of object stores. A test module subclasses these classes and adds the fixtures.

``store`` is an empty `ObjectStore`, ``append`` an `Append` function, ``take_snapshot`` a
`TakeSnapshot`, ``stage_foreign`` a `StageForeign` function.
"""

from .append_blobs import AppendBlobContract
from .batches import Batches
from .blocks import Blocks
from .common import (
    CONTENT,
    Append,
    StageForeign,
    TakeSnapshot,
    content_of,
    listed,
    make_block_id,
    stage,
)
from .copies import Copies
from .foreign_blocks import ForeignBlockContract
from .listings import Listings
from .metadata import Metadata
from .ranges import Ranges
from .snapshots import SnapshotContract
from .whole_objects import WholeObjects


class ObjectStoreContract(WholeObjects, Ranges, Metadata, Blocks, Copies, Listings, Batches):
    """The whole contract, except for what other programs leave behind."""


__all__ = [
    "CONTENT",
    "Append",
    "AppendBlobContract",
    "Batches",
    "Copies",
    "ForeignBlockContract",
    "Listings",
    "ObjectStoreContract",
    "SnapshotContract",
    "StageForeign",
    "TakeSnapshot",
    "content_of",
    "listed",
    "make_block_id",
    "stage",
]
