"""Containers with many objects, written to Azurite's database: putting each takes too long."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from registry_core.serve.azurite import Azurite
from tests.support.azurite import container_client

_DATABASE = "__azurite_db_blob__.json"


def fill(azurite: Azurite, container: str, paths: Iterable[str]) -> None:
    """Create an object at each of ``paths``; this restarts Azurite.

    Each is a copy of the database row of a real put.
    """
    with container_client(azurite, container) as client:
        client.upload_blob("model", b"x")
    azurite.stop()
    database = azurite.location / _DATABASE
    content = json.loads(database.read_text())
    blobs = next(c for c in content["collections"] if c["name"] == "$BLOBS_COLLECTION$")
    model = next(row for row in blobs["data"] if row["containerName"] == container)
    rows = blobs["data"] = [row for row in blobs["data"] if row is not model]
    for number, path in enumerate(paths, start=blobs["maxId"] + 1):
        rows.append(model | {"name": path, "$loki": number})
    _index(blobs)
    database.write_text(json.dumps(content))
    azurite.start()


def _index(collection: dict[str, Any]) -> None:
    rows = collection["data"]
    collection["maxId"] = max(row["$loki"] for row in rows)
    for name, index in collection["binaryIndices"].items():
        index["values"] = sorted(range(len(rows)), key=lambda at: rows[at][name])
