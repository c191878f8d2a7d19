"""A line of the audit log: printable whatever was sent, and written before the answer is."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from registry_core.app import RegistryApp
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.memory import MemoryStore
from registry_core.server.access_log import logged
from registry_core.server.audit import ACTIONS, PREFIX, Action, AuditRecord, audit_record, log
from registry_core.spec import endpoints as e
from registry_core.spec.digest import Digest
from registry_core.spec.scopes import Resource
from registry_core.spec.scopes import Scope as TokenScope
from tests.house.tree import PROJECT
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough", redirect=False)
DIGEST = Digest.of(b"")
TEXT = st.text(max_size=400)


@pytest.fixture(autouse=True)
def _capture_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, log.name)


def request(*headers: tuple[str, str], **scope: object) -> Request:
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
    usual = {"type": "http", "method": "PUT", "path": "/", "query_string": b"", "headers": raw}
    return Request({**usual, **scope})


class Lines(logging.Handler):
    """The lines of the audit log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def line_of(record: AuditRecord, sent: Request, status: int) -> str:
    handler = Lines()
    log.addHandler(handler)
    try:
        record.write(sent, status)
    finally:
        log.removeHandler(handler)
    [line] = handler.lines
    return line


@given(
    texts=st.lists(TEXT, min_size=8, max_size=8),
    tags=st.lists(TEXT, max_size=3),
    agent=TEXT,
    name=st.one_of(st.none(), TEXT),
)
def test_no_text_can_forge_a_line_or_make_it_unreadable(
    texts: list[str], tags: list[str], agent: str, name: str | None
) -> None:
    """It is printable ASCII and JSON, has no other field than its own, and bounded texts."""
    subject, kind, key, token, repository, digest, source, code = texts
    scopes = [TokenScope(Resource("repository", tag), ("pull",)) for tag in tags]
    record = AuditRecord(
        Action.LOGIN,
        *(subject, kind, key, token, repository, tags, digest, source, scopes, code),
        has_credentials=True,
    )
    if name is not None:
        record.begin_login(name)
    line = line_of(record, request(("user-agent", agent), ("x", "y")), 401)
    assert line.isascii()
    assert line.isprintable()
    document = json.loads(line.removeprefix(PREFIX))
    assert document.keys() <= {
        *("action", "outcome", "status", "code", "reference", "subject", "kind", "key", "token"),
        *("address", "repository", "tags", "digest", "source", "scopes", "agent"),
    }
    assert document["outcome"] == "denied"
    assert all(len(str(value)) <= 260 for value in document.values() if isinstance(value, str))
    assert len(document.get("subject", "")) <= (260 if name is None else 64)


def test_a_line_stays_below_what_a_log_keeps() -> None:
    """32 KiB in Application Insights."""
    tags = tuple("t" * 128 for _ in range(1000))
    record = AuditRecord(Action.PUSH_MANIFEST, tags=tags, subject="s" * 5000, scopes=())
    line = line_of(record, request(("user-agent", "a" * 5000)), 201)
    assert len(json.loads(line.removeprefix(PREFIX))["tags"]) == 100
    assert len(line) < 16_000


@pytest.mark.parametrize(
    "name, shown",
    [
        ("alice", "alice"),
        ("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"),
        ("someone.with.a.long.name@example.com", "someone.with.a.long.name@example.com"),
        ("regk_ci_short", "(looks like a secret)"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2ln", "(looks like a secret)"),
        ("x " + "A" * 40, "(looks like a secret)"),
    ],
)
def test_a_secret_in_the_place_of_a_user_name_is_hidden(name: str, shown: str) -> None:
    record = AuditRecord()
    record.begin_login(name)
    assert record.subject == shown


WRITES = {
    "a finished upload": (e.FinishUpload("a", "id", "", DIGEST), 201),
    "a mount": (e.MountBlob("a", DIGEST, "b"), 201),
    "a manifest": (e.PushManifest("a", "v1"), 201),
    "a deletion": (e.DeleteManifest("a", DIGEST), 202),
    "a manifest that is refused": (e.PushManifest("a", "v1"), 400),
    "a deletion that storage fails": (e.DeleteBlob("a", DIGEST), 503),
    "an upload that may not begin": (e.StartUpload("a"), 403),
    "a chunk that may not be sent": (e.AppendUpload("a", "id", ""), 403),
}
OTHERS = {
    "an upload that begins": (e.StartUpload("a"), 202),
    "a chunk": (e.AppendUpload("a", "id", ""), 202),
    "a chunk that storage fails": (e.AppendUpload("a", "id", ""), 503),
    "a mount that becomes an upload": (e.MountBlob("a", DIGEST, "b"), 202),
    "a cancelled upload": (e.CancelUpload("a", "id", ""), 204),
    "a write without credentials": (e.PushManifest("a", "v1"), 401),
    "a read": (e.GetManifest("a", "v1"), 200),
    "a read that is denied": (e.GetManifest("a", "v1"), 403),
}


@pytest.mark.parametrize("name", [*WRITES, *OTHERS])
def test_what_changes_the_registry_or_was_denied_has_a_line(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint, status = (WRITES | OTHERS)[name]
    sent, record = request(), AuditRecord()
    record.begin(sent, endpoint)
    record.write(sent, status)
    assert len(caplog.messages) == (name in WRITES)


def test_every_write_and_deletion_of_the_api_has_an_action() -> None:
    """Those of the endpoints that need more than to pull."""
    kinds = [kind for kind in vars(e).values() if isinstance(kind, type)]
    writes = {kind for kind in kinds if {"push", "delete"} & set(getattr(kind, "actions", ()))}
    assert writes == set(ACTIONS)
    assert len(writes) == 8


async def serve(answer: object, sent: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Serve one request; ``sent`` gets the audit lines at the time of the first message."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent.extend(caplog.messages)
            await send(message)

        response = await logged(Request(scope, receive), answer)  # type: ignore[arg-type]
        await response(scope, receive, noted)

    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        await client.put("/")


async def test_the_line_is_written_before_anything_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also that of a streamed answer: the Functions host drops lines after the return."""

    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    async def answer(request: Request) -> Response:
        audit_record(request.scope).begin(request, e.PushManifest("a", "v1"))
        return StreamingResponse(body(), 201)

    sent: list[str] = []
    await serve(answer, sent, caplog)
    assert len(sent) == 1
    assert sent[0].startswith('audit {"action": "push_manifest", "outcome": "success"')


async def test_a_write_whose_client_hangs_up_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """It may or may not have taken place."""
    begun = asyncio.Event()

    async def answer(request: Request) -> Response:
        audit_record(request.scope).begin(request, e.PushManifest("a", "v1"))
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    serving = asyncio.create_task(serve(answer, [], caplog))
    await begun.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    [line] = caplog.messages
    document = json.loads(line.removeprefix(PREFIX))
    assert (document["outcome"], document["status"]) == ("failure", 499)


@pytest.mark.parametrize("wanted", [False, True])
async def test_the_audit_log_can_be_disabled(
    caplog: pytest.LogCaptureFixture, *, wanted: bool
) -> None:
    settings = Settings(
        AzureStorage("unused"), SETTINGS.http_secret, redirect=False, log_audit=wanted
    )
    app = RegistryApp(settings, lambda _: CountingStore(MemoryStore()))
    transport = httpx.ASGITransport(app.application)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        await client.post(f"/v2/a/blobs/uploads/?digest={DIGEST}")
    await app.close()
    assert len([line for line in caplog.messages if line.startswith(PREFIX)]) == wanted
    log.disabled = False


def test_the_page_about_the_log_has_every_action_and_every_field() -> None:
    """docs/audit.md; and its queries and examples use no others."""
    page = (PROJECT / "docs" / "audit.md").read_text()
    table = page.partition("## Fields")[2].partition("## Queries")[0]
    rows = re.findall(r"(?m)^\| (`\w+`(?:, `\w+`)*) \|", table)
    fields = {name for row in rows for name in re.findall(r"\w+", row)}
    record = AuditRecord(
        *(Action.LOGIN, *"abcde", ("t",), *"fg", (TokenScope.parse("registry:catalog:*"),), *"hi")
    )
    sent = request(("user-agent", "x"), client=("203.0.113.9", 1))
    assert fields == json.loads(line_of(record, sent, 200).removeprefix(PREFIX)).keys()
    [example] = re.findall(r"(?m)^audit (\{.*\})$", page)
    assert json.loads(example).keys() <= fields
    assert set(re.findall(r"\ba\.(\w+)", page)) <= fields
    actions = page.partition("## What leaves a line")[2].partition("## Fields")[0]
    assert set(re.findall(r"`(\w+)`", actions)) >= {str(action) for action in Action}
