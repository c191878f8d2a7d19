"""The invocations in progress, and what the host logs about them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine

from .worker import WorkerFailed

logger = logging.getLogger(__name__)

Run = Callable[[str], Coroutine[None, None, None]]
"""An invocation, given its id."""

# An invocation ends before its answer is sent: one that is still running after this time never got
# its request.
_HANGING_SECONDS = 2.0


class Invocations:
    """Starts invocations as tasks, logs how each ended, and finds those that hang."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[bool], str] = {}

    def start(self, function: str, run: Run) -> tuple[str, asyncio.Task[bool]]:
        """Run an invocation under a new id. The task returns whether it succeeded; never raises."""
        invocation_id = str(uuid.uuid4())
        label = f"'Functions.{function}' (Id={invocation_id})"
        task = asyncio.create_task(_run(label, run(invocation_id)))
        self._running[task] = label
        task.add_done_callback(self._running.pop)
        return invocation_id, task

    def exchange_over(self, task: asyncio.Task[bool]) -> None:
        """Expect an invocation to end, because its HTTP request has been answered.

        If it does not, something answered instead of the function, and in Azure the invocation
        would wait for `functionTimeout`.
        """
        if not task.done():
            asyncio.get_running_loop().call_later(_HANGING_SECONDS, self._give_up, task)

    async def close(self) -> None:
        """Cancel the invocations that are still running, and log them."""
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
        # Raised by the function itself: the library does not handle it, and its request waits.
        logger.error("Executed %s: Failed\n%r", label, cancelled)  # noqa: TRY400 - it is all there is
        return False
    except Exception:  # the library itself failed; do not let the request wait
        logger.exception("Executed %s: Failed in the runtime", label)
        return False
    logger.info("Executed %s: Succeeded", label)
    return True
