"""What a registry says of where blocks are staged: ours writes it, any other may say anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from registry_core.spec.staging import Staging

STAGING = Staging("https://storage.example.com/x?sig=1", datetime(2026, 1, 1, tzinfo=UTC), "0f")


def test_a_staging_comes_back_as_it_was_written() -> None:
    assert Staging.parse(STAGING.to_json()) == STAGING


@pytest.mark.parametrize(
    "changed",
    [
        {"expires": "soon"},
        {"expires": 1},
        {"expires": "2026-01-01T00:00:00"},
        {"prefix": "\udcff"},
        {"prefix": "\u00e9"},
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^(not a staging|Invalid isoformat)"):
        Staging.parse(json.dumps(json.loads(STAGING.to_json()) | changed).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"\xff", b"[" * 60_000])
def test_other_documents_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own texts
        Staging.parse(body)
