"""Drive `azure-functions-runtime` as the production worker's gRPC loop does, without gRPC.

The library keeps its state in module globals: one `Worker` per process. It needs Python 3.13.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .protos import InputBinding, Message, Protos, StatusResult, TypedData
from .routes import HttpFunction, http_function, route_prefix

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


class WorkerFailed(RuntimeError):
    """The library reported a failure to index the app, or of an invocation."""


class Worker:
    """An indexed app. `Worker.start` makes it, in the event loop that serves it."""

    def __init__(self, app: Path) -> None:
        self._app = app
        self._runtime: Any = importlib.import_module("azure_functions_runtime")
        self._protos = Protos()
        self._server: Any = None
        self._server_tasks: set[asyncio.Task[Any]] = set()
        self.http_uri = ""
        self.http_functions: list[HttpFunction] = []
        # name: (function id, trigger's parameter, schedule)
        self.timers: dict[str, tuple[str, str, str]] = {}

    @classmethod
    async def start(cls, app: Path) -> Worker:
        """Index and load the app in a folder, and wait until the worker's HTTP server listens.

        :raises WorkerFailed: indexing failed; with the library's message and traceback.
        """
        os.chdir(app)
        sys.path.insert(0, str(app))
        worker = cls(app)
        worker._runtime.start_threadpool_executor()
        before = asyncio.all_tasks()
        await worker._initialise()
        worker._server_tasks = asyncio.all_tasks() - before
        await worker._load_functions()
        await worker._until_listening()
        return worker

    async def stop(self) -> None:
        """Stop the worker's HTTP server and its thread pool."""
        if self._server is not None:
            self._server.should_exit = True
            _, late = await asyncio.wait(self._server_tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._server_tasks, return_exceptions=True)
        self._runtime.stop_threadpool_executor()

    async def invoke_http(
        self, function: HttpFunction, route_parameters: dict[str, str], invocation_id: str
    ) -> None:
        """Run one invocation, until the handler has returned its response.

        Meanwhile the HTTP request with the same id must be sent to `http_uri`.

        :raises WorkerFailed: the handler raised.
        """
        request = Message(
            method="", url="", headers={}, query={}, body=TypedData(), params=route_parameters
        )
        await self._invoke(
            function.function_id, invocation_id, function.trigger, TypedData(http=request)
        )

    async def invoke_timer(self, name: str, invocation_id: str) -> None:
        """Fire a timer function once. :raises WorkerFailed: the handler raised."""
        function_id, trigger, _ = self.timers[name]
        due = TypedData(json=json.dumps({"IsPastDue": False, "Schedule": {}, "ScheduleStatus": {}}))
        await self._invoke(function_id, invocation_id, trigger, due)

    async def _invoke(
        self, function_id: str, invocation_id: str, trigger: str, value: TypedData
    ) -> None:
        invocation = Message(
            invocation_id=invocation_id,
            function_id=function_id,
            input_data=[InputBinding(name=trigger, data=value)],
            trigger_metadata={},
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
        )
        _check(await self._runtime.invocation_request(self._message(invocation_request=invocation)))

    async def _initialise(self) -> None:
        directory = str(self._app)
        request = Message(capabilities={}, function_app_directory=directory)
        response = await self._runtime.worker_init_request(
            self._message(worker_init_request=request)
        )
        _check(response)
        self.http_uri = str(response.capabilities.get("HttpUri", ""))

    async def _load_functions(self) -> None:
        response = await self._runtime.functions_metadata_request(self._message())
        _check(response)
        found = response.function_metadata_results
        if not found:
            raise WorkerFailed(f"no functions were found in {self._app / 'function_app.py'}")
        for metadata in found:
            await self._load(metadata)
        # The host tries routes in the order of function names, not by how specific they are.
        self.http_functions.sort(key=lambda function: function.name.lower())
        for function in self.http_functions:
            methods = ",".join(sorted(function.methods or ["all"]))
            route = function.route.strip("/")
            logger.info("Mapped function route '/%s' [%s] to '%s'", route, methods, function.name)
        for name, (_, _, schedule) in sorted(self.timers.items()):
            logger.info("Scheduled function '%s' by '%s'", name, schedule)
        if self.http_functions and not self.http_uri:
            raise WorkerFailed("HTTP streams are off: the extension was not imported by the app")

    async def _load(self, metadata: Message) -> None:
        request = Message(function_id=metadata.function_id, metadata=metadata)
        _check(
            await self._runtime.function_load_request(self._message(function_load_request=request))
        )
        bindings = [json.loads(binding) for binding in metadata.raw_bindings]
        function = http_function(
            metadata.name, metadata.function_id, bindings, route_prefix(self._app)
        )
        if function is not None:
            self.http_functions.append(function)
        for binding in bindings:
            if binding["type"] == "timerTrigger":
                self.timers[metadata.name] = (
                    metadata.function_id,
                    binding["name"],
                    binding["schedule"],
                )

    async def _until_listening(self) -> None:
        """Wait for the HTTP server, which the library announces before it listens."""
        if not self.http_uri:
            return
        port = urlsplit(self.http_uri).port
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except ConnectionError as refused:
                if time.monotonic() > deadline:
                    raise WorkerFailed(f"nothing listens at {self.http_uri}") from refused
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                # The library keeps no reference to its uvicorn, but that handles SIGTERM.
                self._server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
                return

    def _message(self, **request: Message) -> Message:
        """Return the envelope in which the worker's gRPC loop passes a request to the library."""
        return Message(
            request=Message(**request), properties={"host": LOOPBACK, "protos": self._protos}
        )


def _check(response: Message) -> None:
    if response.result.status != StatusResult.Success:
        reason = response.result.exception
        raise WorkerFailed(f"{reason.message}\n{reason.stack_trace}")
