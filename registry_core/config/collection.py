"""Reading when and how garbage is collected."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from ..storage.condemnation import LEAST_GRACE
from .reader import SettingsReader
from .settings import GcSettings
from .table import (
    GC_ENABLED,
    GC_GRACE,
    GC_SHARED,
    GC_UNTAGGED,
    GC_YOUNG,
    PULLS_RECORD,
    RETENTION_RULES,
    UPLOAD_AGE,
)

if TYPE_CHECKING:
    from ..maintenance.retention import RetentionPolicy

_log = logging.getLogger(__name__)

# A client may take a while from one request of an upload to the next one.
_LEAST_UPLOAD_AGE = timedelta(hours=1)


def read_gc(reader: SettingsReader) -> GcSettings:
    """Return how garbage is collected."""
    gc = GcSettings(
        enabled=reader.flag(GC_ENABLED),
        grace=reader.duration(GC_GRACE, least=timedelta(seconds=LEAST_GRACE)),
        young=reader.duration(GC_YOUNG),
        untagged=reader.optional_duration(GC_UNTAGGED),
        retention=_read_retention(reader),
        shared=reader.optional_flag(GC_SHARED),
        upload_age=reader.duration(UPLOAD_AGE, least=_LEAST_UPLOAD_AGE),
    )
    _check_known(reader, gc)
    for name, is_set in (
        (GC_UNTAGGED, gc.untagged is not None),
        (RETENTION_RULES, gc.retention is not None),
    ):
        if gc.shared and is_set:
            reader.problems.append(
                f"{name} contradicts {GC_SHARED}: no manifest is deleted while other registries "
                "write to the container; remove one of the two"
            )
    return gc


def _read_retention(reader: SettingsReader) -> RetentionPolicy | None:
    """Return the retention rules; None without a document."""
    document = reader.document(RETENTION_RULES)
    if document is None:
        return None
    from ..maintenance.retention import RetentionPolicy
    from ..toml_tables import DocumentInvalid

    try:
        policy = RetentionPolicy.parse(document.text, str(document.path or RETENTION_RULES))
    except DocumentInvalid as error:
        reader.problems += [f"{RETENTION_RULES}: {problem}" for problem in error.problems]
        return None
    for warning in policy.warnings:
        _log.warning("%s: %s", RETENTION_RULES, warning)
    return policy


def _check_known(reader: SettingsReader, gc: GcSettings) -> None:
    """Check that an untagged manifest's last pull is known for as long as it stays."""
    if gc.untagged is None:
        return
    # Imported late: few registries need it, and imports are the cold start.
    from ..storage.pulls import KEPT_DAYS

    if gc.untagged > timedelta(days=KEPT_DAYS):
        reader.problems.append(
            f"{GC_UNTAGGED}={reader.given(GC_UNTAGGED)!r} must be at most {KEPT_DAYS}d: earlier "
            "pulls are not known"
        )


def read_record_pulls(reader: SettingsReader, gc: GcSettings, *, read_only: bool) -> bool:
    """Return whether what is pulled is recorded.

    :param gc: what may depend on it.
    :param read_only: whether the registry is.
    """
    wanted = reader.optional_flag(PULLS_RECORD)
    if wanted is False and gc.retention is not None and gc.retention.keeps_pulled():
        reader.problems.append(
            f"{PULLS_RECORD} contradicts {RETENTION_RULES}: a rule keeps what was pulled, which "
            f"nobody knows without a record; remove {PULLS_RECORD}, or that rule"
        )
    return not read_only and (gc.uses_pulls if wanted is None else wanted)
