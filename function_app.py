"""The Functions app: HTTP routes and timers, bound to the registry. No logic.

Each route lists all methods, because the host itself would answer the others, with an empty 404.
"""

# ruff: noqa: E402 - the garbage collector is off during imports: it would traverse all modules again
# and again, which is a tenth of a cold start, and find nothing.
import gc

gc.disable()

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from registry_core.app import RegistryApp
from registry_core.config import read_settings
from registry_core.functions.invocations import invoke
from registry_core.functions.routing import route_every_path
from registry_core.jobs import FUNCTIONS_LIMIT, Job, jobs_for

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

route_every_path()
# The host drops what is logged after a function has returned: streamed answers are logged before.
settings = read_settings()
registry = RegistryApp(settings, log_early=True)
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.function_name("auth")
@app.route("auth/{*path}", trigger_arg_name="request", methods=METHODS)
async def auth(request: Request) -> Response:
    """The registry's own token service, if it has one."""
    return await invoke(registry.application.serve_tokens, request)


@app.function_name("home")
@app.route("/", trigger_arg_name="request", methods=METHODS)
async def home(request: Request) -> Response:
    """A page that says what this is."""
    return await invoke(registry.application.serve_home, request)


@app.function_name("oauth2")
@app.route("oauth2/{*path}", trigger_arg_name="request", methods=METHODS)
async def oauth2(request: Request) -> Response:
    """The token service as clients of Azure Container Registry call it."""
    return await invoke(registry.application.serve_tokens, request)


@app.function_name("v2")
@app.route("v2/{*path}", trigger_arg_name="request", methods=METHODS)
async def v2(request: Request) -> Response:
    """The registry's API."""
    return await invoke(registry.application.serve_api, request)


def add_timer(job: Job) -> None:
    """Register a job as a timer-triggered function."""

    @app.function_name(job.name)
    @app.timer_trigger(schedule=job.ncrontab(), arg_name="timer")
    async def run(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding has to be named
        await job.run(await registry.job_context())


for each in jobs_for(settings, limit=FUNCTIONS_LIMIT):
    add_timer(each)

# Imported modules are never garbage: collections skip them.
gc.freeze()
gc.enable()
