"""Uploads under way, and those that nobody will finish."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ...object_store.interface import Properties
from ...storage.layout_parse import Place
from .report import Uploads

# CNCF distribution's purging of uploads takes the same by default.
_LEFT_BEHIND = timedelta(days=7)


@dataclass
class UploadCount:
    """Fed with the objects of uploads in the listing's order: an upload may be several."""

    uploads: Uploads
    now: datetime
    _upload: tuple[str, str] | None = None
    _touched: datetime | None = None

    def take(self, place: Place, properties: Properties) -> None:
        upload = (place.repository, place.upload)
        if upload != self._upload:
            self.finish()
            self._upload = upload
        modified = properties.last_modified
        self._touched = max(self._touched or modified, modified)

    def finish(self) -> None:
        """Count the last one."""
        if self._touched is None:
            return
        age = self.now - self._touched
        self.uploads.number += 1
        self.uploads.left_behind += age >= _LEFT_BEHIND
        self.uploads.oldest = max(self.uploads.oldest, int(age.total_seconds()))
        self._upload = self._touched = None
