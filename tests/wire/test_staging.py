"""Staging and direct uploads, over the storage that the registry really has."""

from __future__ import annotations

import pytest

from registry_core.spec.digest import Digest
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio


async def test_without_staging_the_answer_is_the_uploads_status(wire: Wire) -> None:
    """A client that knows the extension can try it with any registry."""
    location = await wire.start()
    answer = await wire.client.get(f"{location}&staging=1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Range"] == "0-0"


async def test_without_staged_blocks_there_is_no_upload_to_finish(wire: Wire) -> None:
    digest = Digest.of(b"a layer")
    answer = await wire.client.put(f"{await wire.start()}&digest={digest}&blocks=1")
    assert_error(answer, 404, "BLOB_UPLOAD_UNKNOWN")
