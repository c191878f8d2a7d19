"""What the local host writes to its standard error, a line for each event."""

from __future__ import annotations

import logging


def configure_logging(*, access_log: bool) -> None:
    """Everybody's warnings, what the registry has to say, and a line for each request if wanted."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("registry_core").setLevel(logging.INFO)
    # A client that finds out whether we speak TLS would leave a warning each time.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    access = logging.getLogger("uvicorn.access")
    access.setLevel(logging.INFO if access_log else logging.CRITICAL)
    access.addFilter(_without_query)


def _without_query(record: logging.LogRecord) -> bool:
    """Cut the query off the path: it may hold the signed state of an upload."""
    if isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, version, status = record.args
        record.args = (client, method, str(path).partition("?")[0], version, status)
    return True
