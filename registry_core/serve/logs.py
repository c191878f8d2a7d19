"""What the local host writes to its standard error, a line for each event."""

from __future__ import annotations

import logging

from ..server.access_log import log as request_log


def configure_logging(*, access_log: bool) -> None:
    """Everybody's warnings, what the registry has to say, and a line for each request if wanted."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("registry_core").setLevel(logging.INFO)
    # A client that finds out whether we speak TLS would leave a warning each time.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    request_log.setLevel(logging.INFO if access_log else logging.WARNING)
