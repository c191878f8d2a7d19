"""The contract of object stores. A test module subclasses these classes and adds the fixtures.

``store`` is an empty `ObjectStore`, ``append`` an `Append` function.
"""

from .append_blobs import AppendBlobContract
from .blocks import Blocks
from .common import CONTENT, Append, content_of, make_block_id, stage
from .copies import Copies
from .listings import Listings
from .ranges import Ranges
from .whole_objects import WholeObjects


class ObjectStoreContract(WholeObjects, Ranges, Blocks, Copies, Listings):
    """The whole contract, except for append blobs."""


__all__ = [
    "CONTENT",
    "Append",
    "AppendBlobContract",
    "Copies",
    "ObjectStoreContract",
    "content_of",
    "make_block_id",
    "stage",
]
