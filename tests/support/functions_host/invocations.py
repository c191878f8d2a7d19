"""The invocations under way, and what the host's log says of them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine

from .worker import WorkerFailed

logger = logging.getLogger(__name__)

Run = Callable[[str], Coroutine[None, None, None]]
"""An invocation: from its id to its end."""

# An invocation ends before its answer is sent: one that is still there after this long was never
# given its request.
_HANGING_SECONDS = 2.0


class Invocations:
    """Starts invocations as tasks, logs how each ended, and finds those that hang."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[bool], str] = {}

    def start(self, function: str, run: Run) -> tuple[str, asyncio.Task[bool]]:
        """Run an invocation under a new id. The task says whether it succeeded; it never raises."""
        invocation_id = str(uuid.uuid4())
        label = f"'Functions.{function}' (Id={invocation_id})"
        task = asyncio.create_task(_run(label, run(invocation_id)))
        self._running[task] = label
        task.add_done_callback(self._running.pop)
        return invocation_id, task

    def exchange_over(self, task: asyncio.Task[bool]) -> None:
        """Say that the HTTP exchange of an invocation is over, so that it must end now.

        One that does not would wait for `functionTimeout` in Azure: something answered in the
        function's place.
        """
        if not task.done():
            asyncio.get_running_loop().call_later(_HANGING_SECONDS, self._give_up, task)

    async def close(self) -> None:
        """Cancel what is still running, and say so."""
        tasks = list(self._running)
        for task in tasks:
            self._give_up(task)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _give_up(self, task: asyncio.Task[bool]) -> None:
        if not task.done():
            logger.error(
                "Hanging %s: its request is over, the invocation is not", self._running[task]
            )
            task.cancel()


async def _run(label: str, run: Coroutine[None, None, None]) -> bool:
    logger.info("Executing %s", label)
    try:
        await run
    except WorkerFailed as failure:
        logger.error("Executed %s: Failed\n%s", label, failure)  # noqa: TRY400 - it has a traceback
        return False
    except asyncio.CancelledError as cancelled:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        # Raised by the function itself: the library lets it pass, and its request waits for ever.
        logger.error("Executed %s: Failed\n%r", label, cancelled)  # noqa: TRY400 - it is all there is
        return False
    except Exception:  # the library itself failed; the request must not wait for it
        logger.exception("Executed %s: Failed in the runtime", label)
        return False
    logger.info("Executed %s: Succeeded", label)
    return True
