"""The audit log: who has written, deleted and logged in, from where, and with what result.

One line per operation: ``audit `` and a JSON object, in printable ASCII whatever the client has
sent. What the fields mean is in docs/audit.md. A line never has a secret; what was sent as a user
name is cut, and left out if it looks like a secret.

Each request has one record. The application says what is attempted, `authorize` who attempts it,
handlers what came of it; `access_log.logged` writes the line before the answer is sent.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from ..auth.caller import Caller, CredentialsInvalid
from ..auth.challenges import parse_basic
from ..spec import endpoints as e
from ..spec.digest import Digest
from ..spec.scopes import Scope
from .client_address import client_address

if TYPE_CHECKING:  # only registries that issue tokens have logins
    from ..auth.identity import Login

# Public: operators select or silence the audit log by this name.
log = logging.getLogger("registry_core.audit")

PREFIX = "audit "

_RECORD = "registry.audit"

_TEXT_LENGTH = 256
_NAME_LENGTH = 64
_AGENT_LENGTH = 128
_MOST_ITEMS = 100
"""The most tags or scopes in a line: storage's logs cut lines that are longer than 32 KiB."""

# Personal keys and tokens, which people paste into the wrong field. No user id is as long.
_SECRET = re.compile(r"regk_|[\w.~+/-]{40}")
_HIDDEN = "(looks like a secret)"


class Action(StrEnum):
    """What a line is about."""

    LOGIN = "login"
    PUSH_BLOB = "push_blob"
    MOUNT_BLOB = "mount_blob"
    PUSH_MANIFEST = "push_manifest"
    DELETE_BLOB = "delete_blob"
    DELETE_MANIFEST = "delete_manifest"
    DELETE_TAG = "delete_tag"


ACTIONS: Mapping[type[e.Endpoint], Action] = {
    e.StartUpload: Action.PUSH_BLOB,
    e.AppendUpload: Action.PUSH_BLOB,
    e.FinishUpload: Action.PUSH_BLOB,
    e.CancelUpload: Action.PUSH_BLOB,
    e.MountBlob: Action.MOUNT_BLOB,
    e.PushManifest: Action.PUSH_MANIFEST,
    e.DeleteBlob: Action.DELETE_BLOB,
    e.DeleteManifest: Action.DELETE_MANIFEST,
}
_UNFINISHED = {Action.PUSH_BLOB, Action.MOUNT_BLOB}
"""Actions that 202 does not end: an upload goes on."""


@dataclass
class AuditRecord:
    """The fields of one request's line in the audit log. No ``action``: the request leaves no line.

    ``subject``: the caller, or, of a login that failed, the user name that was tried. ``key``: the
    name of their personal access key, ``token``: the id of their token. ``source``: the repository
    that a blob was mounted from. ``is_step``: the request is a part of an upload, whose last one
    has the line. ``code``: of the error that was answered, and ``reference`` to the
    log line about it. ``claimed``: repositories and blobs that the request has
    made there of uploads to storage; each of them has a line of its own.
    """

    action: Action | None = None
    subject: str = ""
    kind: str = ""
    key: str = ""
    token: str = ""
    repository: str = ""
    tags: Sequence[str] = ()
    digest: str = ""
    source: str = ""
    scopes: Sequence[Scope] = ()
    code: str = ""
    reference: str = ""
    has_credentials: bool = False
    is_step: bool = False
    claimed: tuple[tuple[str, Digest], ...] = ()

    def begin(self, request: Request, endpoint: e.Endpoint) -> None:
        """Note what a request attempts."""
        action = ACTIONS.get(type(endpoint))
        if action is None:
            return
        self.has_credentials = "authorization" in request.headers
        self.repository = getattr(endpoint, "repository", "")
        self.source = getattr(endpoint, "source", None) or ""
        reference = getattr(endpoint, "reference", None) or getattr(endpoint, "digest", None)
        if isinstance(reference, Digest):
            self.digest = str(reference)
        elif reference is not None:
            self.tags = (reference,)
        self.tags = (*self.tags, *getattr(endpoint, "tags", ()))
        is_tag = action is Action.DELETE_MANIFEST and not self.digest
        self.action = Action.DELETE_TAG if is_tag else action
        self.is_step = action is Action.PUSH_BLOB and not self.digest

    def begin_login(self, name: str) -> None:
        """Note a login with a user name, which nothing has proved yet."""
        self.action, self.has_credentials = Action.LOGIN, True
        self.subject = _HIDDEN if _SECRET.search(name) else name[:_NAME_LENGTH]

    def begin_basic_login(self, authorization: str | None) -> None:
        """Note a login, if the header ``Authorization`` has a user name and a password."""
        try:
            name, _ = parse_basic(authorization or "")
        except CredentialsInvalid:
            return
        self.begin_login(name)

    def identify(self, caller: Caller) -> None:
        """Note who the caller is."""
        self.subject, self.kind = caller.name, caller.kind or "anonymous"
        self.key, self.token = caller.key, caller.token

    def complete_login(self, login: Login, token: str = "", scopes: Sequence[Scope] = ()) -> None:
        """Note whom a login has proved, the id of the token that was issued, and what it grants."""
        identity = login.identity
        self.subject, self.kind, self.key = identity.subject, identity.source, login.key
        self.token, self.scopes = token, scopes

    def claim(self, repository: str, digests: Collection[Digest]) -> None:
        """Note blobs that the request has made of the caller's uploads to storage."""
        self.claimed += tuple((repository, digest) for digest in sorted(digests))

    def fail(self, code: str, reference: str = "") -> None:
        """Note the error that is answered."""
        self.code, self.reference = code, reference

    def write(self, request: Request, status: int) -> None:
        """Write the line, if this request has one, and before it those of claimed blobs."""
        if not log.isEnabledFor(logging.INFO):
            return
        for repository, digest in self.claimed:
            self._push_of(repository, digest).log(request, HTTPStatus.CREATED)
        if self._is_due(status):
            self.log(request, status)

    def _push_of(self, repository: str, digest: Digest) -> AuditRecord:
        """Return the record of the push of a claimed blob."""
        return AuditRecord(
            Action.PUSH_BLOB,
            *(self.subject, self.kind, self.key, self.token, repository),
            digest=str(digest),
        )

    def _is_due(self, status: int) -> bool:
        if self.action is None:
            return False
        match status:
            case HTTPStatus.UNAUTHORIZED:
                return self.has_credentials  # without any, it is how clients begin
            case HTTPStatus.FORBIDDEN:
                return True
            case HTTPStatus.ACCEPTED:
                return self.action not in _UNFINISHED
            case HTTPStatus.TOO_MANY_REQUESTS:
                return self.action is Action.LOGIN  # a push is still checked, and goes on
        return not self.is_step

    def log(self, request: Request, status: int) -> None:
        """Write the line, whether this request has one or not."""
        log.info("%s%s", PREFIX, self._line(request, status))

    def _line(self, request: Request, status: int) -> str:
        fields: dict[str, object] = {
            "action": self.action,
            "outcome": _outcome(status),
            "status": status,
            "code": self.code,
            "reference": self.reference,
            "subject": _cut(self.subject),
            "kind": _cut(self.kind),
            "key": _cut(self.key),
            "token": _cut(self.token),
            "address": client_address(request),
            "repository": _cut(self.repository),
            "tags": _listed(self.tags),
            "digest": _cut(self.digest),
            "source": _cut(self.source),
            "scopes": _listed(map(str, self.scopes)),
            "agent": _cut(request.headers.get("user-agent", ""), _AGENT_LENGTH),
        }
        present = {name: value for name, value in fields.items() if value not in ("", [])}
        return json.dumps(present)


def audit_record(scope: MutableMapping[str, Any]) -> AuditRecord:
    """Return the record of the request with this ASGI scope."""
    record = scope.get(_RECORD)
    if not isinstance(record, AuditRecord):
        record = scope[_RECORD] = AuditRecord()
    return record


def _outcome(status: int) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "denied"
    return "success" if status < HTTPStatus.BAD_REQUEST else "failure"


def _cut(text: str, length: int = _TEXT_LENGTH) -> str:
    return text if len(text) <= length else f"{text[:length]}..."


def _listed(texts: Iterable[str]) -> list[str]:
    """Return the first of the texts, each cut."""
    return [_cut(text) for text, _ in zip(texts, range(_MOST_ITEMS), strict=False)]
