"""An error answer of storage, as a value.

learn.microsoft.com/rest/api/storageservices: status-and-error-codes2 (headers and body of an
error), copy-blob-from-url (errors of a source)
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from .errors import StorageTarget


@dataclass(frozen=True)
class ErrorAnswer:
    """An error answer of storage to an operation."""

    operation: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    target: StorageTarget

    def __str__(self) -> str:
        source = self.source_code and f", source {self.source_code}"
        subject = self.element("HeaderName") or self.element("QueryParameterName")
        request = self.headers.get("x-ms-request-id")
        return f"{self.status} {self.code}{subject and f' {subject}'} (request {request}{source})"

    @property
    def code(self) -> str:
        return self.headers.get("x-ms-error-code", "") or self.element("Code")

    @property
    def source_code(self) -> str:
        """The code of the answer that storage received when it read the source of a copy."""
        return self.headers.get("x-ms-copy-source-error-code", "")

    def element(self, name: str) -> str:
        """Return the text of an element of the body, "" if it has none of that name."""
        found = re.search(rf"<{name}>([\w.-]+)</{name}>".encode(), self.body[:4096])
        return found[1].decode() if found else ""

    @property
    def clock_difference(self) -> float:
        """By how many seconds this machine's clock is ahead of storage's; 0 if unknown."""
        try:
            return time.time() - parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (KeyError, ValueError, OverflowError):
            return 0.0
