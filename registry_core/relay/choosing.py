"""Where uploads go: to storage if the registry offers that and storage can be reached from here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..spec.errors import Denied, Unauthorized, Unavailable
from ..storage.ingest import BLOCK
from .bodies import PushedBody
from .headers import Headers
from .passing import PassedUpload
from .staging import Channel, StagedUpload, open_staging
from .uploads import Begun, Destination

_log = logging.getLogger(__name__)

_AVOIDED = 600.0
"""In seconds: how long storage that could not be reached is not tried again."""


@dataclass
class Chooser:
    """Chooses the destination of each upload.

    ``path_of`` returns the path of a URL of the registry, and None for another server's.
    """

    channel: Channel
    path_of: Callable[[str], str | None]
    _avoided_until: float = 0.0

    async def choose(self, begun: Begun, body: PushedBody, headers: Headers) -> Destination:
        """Return the destination of an upload. A block of its body may have been taken already.

        :raises Unavailable: the registry does not answer.
        :raises ClientDisconnect: the client hung up.
        """
        if time.monotonic() >= self._avoided_until:
            staged = await self._begin_staging(begun, body, headers)
            if staged is not None:
                return staged
        return PassedUpload(begun, self.channel.upstream, self.path_of)

    async def _begin_staging(
        self, begun: Begun, body: PushedBody, headers: Headers
    ) -> StagedUpload | None:
        """Stage the first block; return None, and leave it in the body, if that is not possible."""
        staging = await open_staging(self.channel.upstream, begun, headers)
        if staging is None:
            return None
        first = b"".join([piece async for piece in body.portion(BLOCK)])
        upload = StagedUpload(self.channel, begun, staging, headers)
        try:
            await upload.begin(first)
        except (Denied, Unauthorized, Unavailable) as error:
            _log.warning(
                "storage cannot be used from here: %s; for %d minutes layers go through the "
                "registry, which is slower and costs more",
                error,
                _AVOIDED / 60,
            )
            self._avoided_until = time.monotonic() + _AVOIDED
            await upload.abort()
            body.unread(first)
            return None
        return upload
