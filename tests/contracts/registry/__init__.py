"""The contract of registries. A test module subclasses `RegistryContract` and adds the fixtures.

``registry`` is an empty `Registry` where the tags `IMMUTABLE` are immutable, ``snapshot`` a
`Snapshot`, ``put_blocks`` a `PutBlocks` function, ``carried`` a `Carried`.
"""

from .blobs import Blobs
from .common import IN_CHUNKS, OVER_HTTP, Carried, PutBlocks, Snapshot
from .deletions import Deletions
from .immutable_tags import IMMUTABLE, ImmutableTags
from .listings import Listings
from .manifests import Manifests
from .preconditions import Preconditions
from .referrers import Referrers
from .staging import StagingContract
from .uploads import Uploads


class RegistryContract(
    Blobs,
    Uploads,
    Manifests,
    Preconditions,
    ImmutableTags,
    Deletions,
    Listings,
    Referrers,
    StagingContract,
):
    """The whole contract."""


__all__ = [
    "IMMUTABLE",
    "IN_CHUNKS",
    "OVER_HTTP",
    "Carried",
    "PutBlocks",
    "RegistryContract",
    "Snapshot",
]
