"""One manifest copied, with everything that it needs.

The order: blobs, then the manifests of an index, then the manifest itself, what is attached to it,
and at last its tags. So nothing at the target ever leads to something that is not there, and a tag
is not moved before everything is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..aio import for_each
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import Reference
from ..spec.errors import BlobUnknown, ManifestBlobUnknown, ManifestUnknown, NameUnknown
from ..spec.manifest import Manifest
from ..spec.media_types import INDEXES
from .blobs import BlobCopier
from .closure import Part, parts
from .errors import SourceManifestInvalid, SparseIndexRefused
from .manifests import SourceManifests
from .options import CopyOptions
from .place import Place, Source, Target
from .progress import Meter
from .referrers import Attachment, FallbackLists, SourceAttachments, list_referrers
from .report import Outcome, Tally
from .run import CopyRun, Filled
from .selection import MAX_DEPTH, Chosen, select

MAX_MANIFESTS = 10_000
"""The most manifests that one manifest may lead to, with all that is attached to them."""
