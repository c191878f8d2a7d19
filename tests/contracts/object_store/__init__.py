"""What every object store does. A test module subclasses these and gives the fixtures.

``store`` is an empty `ObjectStore`, ``append`` an async function that writes an append blob.
"""

from .append_blobs import AppendBlobContract
from .blocks import Blocks
from .copies import Copies
from .listings import Listings
from .ranges import Ranges
from .whole_objects import WholeObjects
from .words import CONTENT, Append, content_of, named, stage


class ObjectStoreContract(WholeObjects, Ranges, Blocks, Copies, Listings):
    """All of it, but for what needs append blobs."""


__all__ = [
    "CONTENT",
    "Append",
    "AppendBlobContract",
    "Copies",
    "ObjectStoreContract",
    "content_of",
    "named",
    "stage",
]
