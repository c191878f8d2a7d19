"""Reading when and how garbage is collected."""

from __future__ import annotations

from datetime import timedelta

from ..storage.condemnation import LEAST_GRACE
from .reader import SettingsReader
from .settings import GcSettings
from .table import (
    GC_ENABLED,
    GC_GRACE,
    GC_SHARED,
    GC_UNTAGGED,
    GC_YOUNG,
    READ_ONLY,
    UPLOAD_AGE,
)

# A client may take a while from one request of an upload to the next one.
_LEAST_UPLOAD_AGE = timedelta(hours=1)


def read_gc(reader: SettingsReader, *, read_only: bool) -> GcSettings:
    """Return how garbage is collected.

    :param read_only: whether the registry is.
    """
    gc = GcSettings(
        enabled=reader.flag(GC_ENABLED),
        grace=reader.duration(GC_GRACE, least=timedelta(seconds=LEAST_GRACE)),
        young=reader.duration(GC_YOUNG),
        untagged=reader.optional_duration(GC_UNTAGGED),
        shared=reader.optional_flag(GC_SHARED),
        upload_age=reader.duration(UPLOAD_AGE, least=_LEAST_UPLOAD_AGE),
    )
    if gc.enabled and read_only:
        reader.problems.append(
            f"{GC_ENABLED} contradicts {READ_ONLY}: a read-only registry deletes nothing; remove "
            "one of the two"
        )
    if gc.shared and gc.untagged is not None:
        reader.problems.append(
            f"{GC_UNTAGGED} contradicts {GC_SHARED}: no manifest is deleted while other registries "
            "write to the container; remove one of the two"
        )
    return gc
