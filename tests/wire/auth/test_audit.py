"""Writes, deletions and logins are on record: who, what, from where, with what result."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest

from registry_core.app import build_application, build_registry
from registry_core.auth.sources.htpasswd import Htpasswd
from registry_core.auth.sources.personal_keys import PersonalKey
from registry_core.config import Settings
from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.server.access_log import log as access_log
from registry_core.server.audit import PREFIX
from registry_core.server.audit import log as audit_log
from registry_core.spec.digest import Digest
from registry_core.spec.errors import TooManyRequests
from registry_core.spec.media_types import OCI_MANIFEST
from registry_core.storage.layout import Layout
from registry_core.storage.personal_keys import PersonalKeys
from tests.support.content import CONFIG, image_manifest
from tests.support.counting import CountingStore
from tests.support.wire import reference_in

from .builtin import ALICE, SECRET, bearer, settings, token_for
from .guarded import guarded

pytestmark = pytest.mark.anyio

ADDRESS = "203.0.113.9"
AGENT = "docker/29.0"
COMMON = {"address": ADDRESS, "agent": AGENT}
LAYER = b"a layer"
IMAGE = image_manifest(LAYER)
DIGEST, BLOB = str(Digest.of(IMAGE)), str(Digest.of(LAYER))
ALL = "repository:team/app:pull,push,delete"
RULES = """
[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["**"]

[[rule]]
who = ["user:alice", "key:robot"]
may = ["pull", "push", "delete"]
on = ["team/**"]
"""
WITH_PASSWORDS = {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "registry"}


class Audit:
    """The audit lines since the last `take`."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.caplog = caplog

    def take(self) -> list[dict[str, object]]:
        """Return the lines, without what is the same in all of them."""
        lines = [r.getMessage() for r in self.caplog.records if r.name == audit_log.name]
        self.caplog.clear()
        assert [line for line in lines if not line.startswith(PREFIX)] == []
        found = [json.loads(line.removeprefix(PREFIX)) for line in lines]
        assert [line for line in found if not COMMON.items() <= line.items()] == []
        return [{name: line[name] for name in line if name not in COMMON} for line in found]


@pytest.fixture
def audit(caplog: pytest.LogCaptureFixture) -> Audit:
    caplog.set_level(logging.INFO)
    return Audit(caplog)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@asynccontextmanager
async def connected(read: Settings, store: CountingStore) -> AsyncIterator[httpx.AsyncClient]:
    application = build_application(read, build_registry(read, store), store)
    transport = httpx.ASGITransport(application, client=(ADDRESS, 40000))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://registry.test", headers={"User-Agent": AGENT}
    ) as client:
        yield client


@pytest.fixture
async def builtin(store: CountingStore) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(settings(REGISTRY_AUTH_RULES=RULES), store) as client:
        yield client


@pytest.fixture
async def passwords(store: CountingStore) -> AsyncIterator[httpx.AsyncClient]:
    environment = {**WITH_PASSWORDS, "REGISTRY_AUTH_RULES": RULES}
    read = settings(**environment, REGISTRY_AUTH_BUILTIN_SIGNINGKEY="")
    async with connected(read, store) as client:
        yield client


async def logged_in(client: httpx.AsyncClient, audit: Audit, *scopes: str) -> str:
    """Log in as alice. Returns the id of the token."""
    token = await token_for(client, *(scopes or (ALL,)), auth=ALICE)
    client.headers.update(bearer(token))
    audit.take()
    return str(jwt.decode(token, options={"verify_signature": False})["jti"])


async def push_blob(client: httpx.AsyncClient, repository: str, content: bytes) -> None:
    """Push a blob by POST, PATCH and PUT, as docker does."""
    location = (await client.post(f"/v2/{repository}/blobs/uploads/")).headers["Location"]
    location = (await client.patch(location, content=content)).headers["Location"]
    answer = await client.put(f"{location}&digest={Digest.of(content)}")
    assert answer.status_code == 201, answer.text


async def push_manifest(client: httpx.AsyncClient, path: str) -> httpx.Response:
    headers = {"Content-Type": OCI_MANIFEST}
    return await client.put(f"/v2/{path}", content=IMAGE, headers=headers)


async def test_a_push_leaves_a_line_for_each_blob_and_for_the_manifest_with_its_tags(
    builtin: httpx.AsyncClient, audit: Audit
) -> None:
    who = {"subject": "alice", "kind": "htpasswd", "token": await logged_in(builtin, audit)}
    done = {"outcome": "success", "status": 201, **who, "repository": "team/app"}
    for content in (LAYER, CONFIG):
        await push_blob(builtin, "team/app", content)
    assert audit.take() == [
        {"action": "push_blob", **done, "digest": str(Digest.of(content))}
        for content in (LAYER, CONFIG)
    ]
    assert (await push_manifest(builtin, "team/app/manifests/v1")).status_code == 201
    assert audit.take() == [{"action": "push_manifest", **done, "tags": ["v1"], "digest": DIGEST}]
    await push_manifest(builtin, f"team/app/manifests/{DIGEST}?tag=v2&tag=v3")
    assert audit.take() == [
        {"action": "push_manifest", **done, "tags": ["v2", "v3"], "digest": DIGEST}
    ]
    await builtin.post(f"/v2/team/app/blobs/uploads/?digest={Digest.of(b'x')}", content=b"x")
    assert audit.take() == [{"action": "push_blob", **done, "digest": str(Digest.of(b"x"))}]


async def test_a_mount_is_a_write_unless_an_upload_was_begun_instead(
    builtin: httpx.AsyncClient, audit: Audit
) -> None:
    scopes = (ALL, "repository:team/other:pull,push")
    token = await logged_in(builtin, audit, *scopes)
    await push_blob(builtin, "team/app", LAYER)
    audit.take()
    url = f"/v2/team/other/blobs/uploads/?mount={BLOB}&from=team/app"
    assert (await builtin.post(url)).status_code == 201
    [line] = audit.take()
    assert line == {
        "action": "mount_blob",
        "outcome": "success",
        "status": 201,
        "subject": "alice",
        "kind": "htpasswd",
        "token": token,
        "repository": "team/other",
        "digest": BLOB,
        "source": "team/app",
    }
    url = f"/v2/team/other/blobs/uploads/?mount={Digest.of(b'missing')}&from=team/app"
    assert (await builtin.post(url)).status_code == 202
    assert audit.take() == []


async def test_a_deletion_says_what_went(builtin: httpx.AsyncClient, audit: Audit) -> None:
    who = {"subject": "alice", "kind": "htpasswd", "token": await logged_in(builtin, audit)}
    for content in (LAYER, CONFIG):
        await push_blob(builtin, "team/app", content)
    for tag in ("v1", "v2", "v3"):
        await push_manifest(builtin, f"team/app/manifests/{tag}")
    audit.take()
    done = {"outcome": "success", "status": 202, **who, "repository": "team/app"}
    await builtin.delete("/v2/team/app/manifests/v1")
    assert audit.take() == [{"action": "delete_tag", **done, "tags": ["v1"], "digest": DIGEST}]
    await builtin.delete(f"/v2/team/app/manifests/{DIGEST}")
    [line] = audit.take()
    assert line == {"action": "delete_manifest", **done, "tags": ["v2", "v3"], "digest": DIGEST}
    await builtin.delete(f"/v2/team/app/blobs/{BLOB}")
    assert audit.take() == [{"action": "delete_blob", **done, "digest": BLOB}]


async def test_what_only_reads_leaves_no_line(builtin: httpx.AsyncClient, audit: Audit) -> None:
    await logged_in(builtin, audit)
    for content in (LAYER, CONFIG):
        await push_blob(builtin, "team/app", content)
    await push_manifest(builtin, "team/app/manifests/v1")
    audit.take()
    for path in ("", "team/app/manifests/v1", f"team/app/blobs/{BLOB}", "team/app/tags/list"):
        assert (await builtin.get(f"/v2/{path}")).status_code == 200
    assert (await builtin.get("/v2/team/app/manifests/missing")).status_code == 404
    del builtin.headers["Authorization"]
    assert (await builtin.get("/v2/")).status_code == 401
    await token_for(builtin, "repository:team/app:pull")
    assert audit.take() == []


async def test_a_login_says_who_and_what_was_granted(
    builtin: httpx.AsyncClient, store: CountingStore, audit: Audit
) -> None:
    key = await make_key(store, "laptop", "alice")
    robot = await make_key(store, "robot", "")
    done = {"action": "login", "outcome": "success", "status": 200}
    for auth, who in (
        (ALICE, {"subject": "alice", "kind": "htpasswd"}),
        (("alice", key), {"subject": "alice", "kind": "htpasswd", "key": "laptop"}),
        (("robot", robot), {"subject": "key:robot", "kind": "key", "key": "robot"}),
    ):
        token = await token_for(builtin, ALL, "repository:secret:pull", auth=auth)
        claims = jwt.decode(token, options={"verify_signature": False})
        scopes = [ALL, "repository:secret:pull"]
        assert audit.take() == [{**done, **who, "token": claims["jti"], "scopes": scopes}]


async def test_a_write_with_a_personal_key_names_the_key(
    builtin: httpx.AsyncClient, store: CountingStore, audit: Audit
) -> None:
    key = await make_key(store, "laptop", "alice")
    token = await token_for(builtin, ALL, auth=("alice", key))
    builtin.headers.update(bearer(token))
    audit.take()
    await push_blob(builtin, "team/app", LAYER)
    [line] = audit.take()
    assert (line["subject"], line["kind"], line["key"]) == ("alice", "htpasswd", "laptop")


async def test_a_refresh_token_is_a_login_of_its_user(
    builtin: httpx.AsyncClient, audit: Audit
) -> None:
    answer = await builtin.get("/auth/token", params={"offline_token": "true"}, auth=ALICE)
    audit.take()
    form = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    assert (await builtin.post("/auth/token", data=form)).status_code == 200
    [line] = audit.take()
    assert (line["action"], line["outcome"], line["subject"]) == ("login", "success", "alice")
    form["refresh_token"] += "x"
    assert (await builtin.post("/auth/token", data=form)).status_code == 401
    assert audit.take() == [
        {"action": "login", "outcome": "denied", "status": 401, "code": "UNAUTHORIZED"}
    ]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_failed_login_says_which_name_was_tried(
    builtin: httpx.AsyncClient, audit: Audit, method: str
) -> None:
    failed = {"action": "login", "outcome": "denied", "status": 401, "code": "UNAUTHORIZED"}
    for name, shown in (
        ("alice", "alice"),
        ("nobody\r\nERROR forged", "nobody\r\nERROR forged"),
        ("a long name " * 30, "a long name a long name a long name a long name a long name a lo"),
    ):
        if method == "GET":
            answer = await builtin.get("/auth/token", auth=(name, "wrong"))
        else:
            form = {"grant_type": "password", "username": name, "password": "wrong"}
            answer = await builtin.post("/auth/token", data=form)
        assert answer.status_code == 401
        assert audit.caplog.messages[0].isprintable()
        assert audit.take() == [{**failed, "subject": shown}]


async def test_a_login_with_a_password_by_basic_authentication(
    passwords: httpx.AsyncClient, audit: Audit
) -> None:
    """``docker login`` sends it to end-1; a wrong one counts wherever it is sent."""
    assert (await passwords.get("/v2/", auth=ALICE)).status_code == 200
    assert audit.take() == [
        {
            "action": "login",
            "outcome": "success",
            "status": 200,
            "subject": "alice",
            "kind": "htpasswd",
        }
    ]
    assert (await passwords.get("/v2/team/app/tags/list", auth=ALICE)).status_code == 404
    assert audit.take() == []
    failed = {"action": "login", "outcome": "denied", "status": 401, "code": "UNAUTHORIZED"}
    for path in ("", "team/app/tags/list"):
        answer = await passwords.get(f"/v2/{path}", auth=("alice", "wrong"))
        assert answer.status_code == 401
        assert audit.take() == [{**failed, "subject": "alice"}]
    await passwords.put("/v2/team/app/manifests/v1", content=IMAGE, auth=("eve", "wrong"))
    assert audit.take() == [{**failed, "subject": "eve", "repository": "team/app", "tags": ["v1"]}]
    await passwords.post("/v2/team/app/blobs/uploads/", auth=ALICE)
    await passwords.delete("/v2/team/app/manifests/v1", auth=ALICE)
    [line] = audit.take()
    assert (line["action"], line["outcome"], line["code"]) == (
        *("delete_tag", "failure"),
        "MANIFEST_UNKNOWN",
    )


async def test_a_login_that_cannot_be_checked_has_a_line(
    passwords: httpx.AsyncClient, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when there are too many at once."""

    async def fail(*_: object, **__: object) -> None:
        raise TooManyRequests("too many logins at once; try again")

    monkeypatch.setattr(Htpasswd, "log_in", fail)
    assert (await passwords.get("/v2/team/app/tags/list", auth=ALICE)).status_code == 429
    assert audit.take() == [
        {
            "action": "login",
            "outcome": "failure",
            "status": 429,
            "code": "TOOMANYREQUESTS",
            "subject": "alice",
        }
    ]


async def test_the_access_log_does_not_name_the_caller(
    builtin: httpx.AsyncClient, audit: Audit
) -> None:
    await logged_in(builtin, audit)
    await push_blob(builtin, "team/app", LAYER)
    lines = [r.getMessage() for r in audit.caplog.records if r.name == access_log.name]
    assert len(lines) == 3
    assert [line for line in lines if "alice" in line or ADDRESS in line] == []


async def test_a_denied_write_names_who_tried(
    builtin: httpx.AsyncClient, passwords: httpx.AsyncClient, audit: Audit
) -> None:
    """With credentials; without any, a 401 is how clients begin."""
    assert (await builtin.post("/v2/team/app/blobs/uploads/")).status_code == 401
    assert audit.take() == []
    token = await logged_in(builtin, audit, "repository:team/app:pull")
    denied = {"outcome": "denied", "status": 401, "code": "UNAUTHORIZED"}
    who = {"subject": "alice", "kind": "htpasswd", "token": token, "repository": "team/app"}
    assert (await builtin.post("/v2/team/app/blobs/uploads/")).status_code == 401
    assert audit.take() == [{"action": "push_blob", **denied, **who}]
    assert (await push_manifest(builtin, "team/app/manifests/v1")).status_code == 401
    assert audit.take() == [{"action": "push_manifest", **denied, **who, "tags": ["v1"]}]
    forged = await builtin.delete("/v2/team/app/manifests/v1", headers=bearer("forged"))
    assert forged.status_code == 401
    assert audit.take() == [
        {"action": "delete_tag", **denied, "repository": "team/app", "tags": ["v1"]}
    ]
    answer = await passwords.delete("/v2/other/manifests/v1", auth=ALICE)
    assert answer.status_code == 403
    [line] = audit.take()
    assert line == {
        "action": "delete_tag",
        "outcome": "denied",
        "status": 403,
        "code": "DENIED",
        "subject": "alice",
        "kind": "htpasswd",
        "repository": "other",
        "tags": ["v1"],
    }


async def test_a_write_that_storage_fails_has_the_reference_of_the_answer(
    builtin: httpx.AsyncClient, store: CountingStore, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    await logged_in(builtin, audit)

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("put x: 503")

    monkeypatch.setattr(store, "put", fail)
    url = f"/v2/team/app/blobs/uploads/?digest={BLOB}"
    answer = await builtin.post(url, content=LAYER)
    assert answer.status_code == 503
    [line] = audit.take()
    reference = reference_in(answer.json()["errors"][0]["message"])
    assert (line["outcome"], line["status"]) == ("failure", 503)
    assert (line["code"], line["reference"]) == ("UNAVAILABLE", reference)


async def test_an_open_registry_names_nobody(store: CountingStore, audit: Audit) -> None:
    read = settings(REGISTRY_AUTH="none", REGISTRY_AUTH_BUILTIN_SIGNINGKEY="")
    async with connected(read, store) as client:
        await push_blob(client, "team/app", LAYER)
    [line] = audit.take()
    assert (line["kind"], line.get("subject")) == ("anonymous", None)


async def test_a_token_of_another_issuer_is_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, audit_log.name)
    async with guarded() as registry:
        wire = registry.granted("team/app", jti="the id", sub="carol")
        await push_blob(wire.client, "team/app", LAYER)
        odd = registry.granted("team/app", jti=["no", "text"])
        await push_blob(odd.client, "team/app", LAYER)
    lines = [json.loads(m.removeprefix(PREFIX)) for m in caplog.messages if PREFIX in m]
    assert [(line["subject"], line["kind"], line.get("token")) for line in lines] == [
        ("carol", "token", "the id"),
        ("alice", "token", None),
    ]


async def test_no_secret_is_in_a_line(
    builtin: httpx.AsyncClient, store: CountingStore, audit: Audit
) -> None:
    """Not even one that was sent as a user name."""
    key = await make_key(store, "laptop", "alice")
    answer = await builtin.get("/auth/token", params={"offline_token": "true"}, auth=ALICE)
    secrets = [SECRET, key, answer.json()["token"], answer.json()["refresh_token"]]
    for secret in secrets[1:]:
        await builtin.get("/auth/token", auth=(secret, "wrong"))
        await builtin.get("/auth/token", auth=(f"alice {secret}", secret))
        await builtin.put("/v2/team/app/manifests/v1", headers=bearer(secret), content=b"x")
    await builtin.get("/auth/token", auth=("alice", "a wrong password"))
    said = str(audit.caplog.messages)
    assert len(audit.take()) == 11
    assert [secret for secret in (*secrets, "a wrong password") if secret[:20] in said] == []


async def make_key(store: CountingStore, name: str, user: str) -> str:
    now = datetime.now(UTC)
    text, key = PersonalKey.make(name, user, created=now, expires=now + timedelta(days=1))
    await PersonalKeys(store, Layout()).add(key)
    return text
