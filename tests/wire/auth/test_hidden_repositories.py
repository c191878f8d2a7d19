"""A repository that a caller may not see looks as if it did not exist, in every listing.

In modes with rules, for every kind of caller. `tests/server/test_catalog.py` has any rules.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core.app import build_application, build_registry
from registry_core.auth.authenticators import TokenAuthenticator
from registry_core.auth.builtin import BuiltinAuthenticator
from registry_core.auth.identity import HTPASSWD, Identity, Login, parse_limits
from registry_core.auth.rules import Rules
from registry_core.auth.rules.rule import Rule, Who
from registry_core.auth.sources.personal_keys import PersonalKey
from registry_core.auth.tokens.issuing import Issuer, RefreshTokens
from registry_core.auth.tokens.logins import LoginCheck
from registry_core.auth.tokens.service import TokenService
from registry_core.auth.tokens.verification import TokenVerifier
from registry_core.config import read_settings
from registry_core.globs import RepositoryGlobs
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.scopes import PULL, WHOLE_CATALOG
from registry_core.storage.layout import Layout
from registry_core.storage.personal_keys import PersonalKeys
from tests.support.catalogs import (
    GLOBS,
    LASTS,
    NAMES,
    SECRET,
    Seen,
    assert_no_trace,
    mark_all,
    names_on,
    pages,
    query,
)
from tests.support.counting import CountingStore
from tests.support.listings import DIGEST
from tests.wire.auth.builtin import HASH, KEY, bearer, token_for
from tests.wire.auth.builtin import SECRET as PASSWORD

pytestmark = pytest.mark.anyio

RULES = """
[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/**"]

[[rule]]
who = ["user:alice"]
may = ["push"]
on = ["team/**", "shared"]

[[rule]]
who = ["user:admin"]
may = ["delete"]
on = ["**"]

[[rule]]
who = ["key:lister"]
may = ["list"]
on = ["*/app"]
"""
PUBLIC = ["public/app", "public/tool"]
ALICES = [*PUBLIC, "shared", "team/a", "team/app", "team/b/c"]
ALL = sorted(
    ["acme-secret-merger/q3", "acquisition/app", *ALICES, "public0", "sharee", "zz-private/payroll"]
)


def limits(name: str) -> str:
    return f"repository:{name} registry:catalog:*"


@dataclass(frozen=True)
class Row:
    """A caller of a mode, and what the catalog shows them.

    ``key``: the name and user of a personal access key, ``scopes`` what that is limited to.
    """

    mode: str
    user: str
    visible: list[str]
    key: tuple[str, str] | None = None
    scopes: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.mode, self.user or "anonymous", self.scopes)))


ROWS = [
    Row("htpasswd", "", PUBLIC),
    Row("htpasswd", "alice", ALICES),
    Row("htpasswd", "admin", ALL),
    Row("builtin", "", PUBLIC),
    Row("builtin", "alice", ALICES),
    Row("builtin", "admin", ALL),
    Row("builtin", "alice", ALICES, ("laptop", "alice")),
    Row("builtin", "alice", ["team/a", "team/app"], ("laptop", "alice"), limits("team/a*:pull")),
    Row("builtin", "admin", ["team/a", "team/app"], ("laptop", "admin"), limits("team/a*:delete")),
    Row("builtin", "admin", ["shared"], ("laptop", "admin"), limits("shared:*")),
    Row("builtin", "alice", [], ("laptop", "alice"), limits("acme-secret-merger/*:pull")),
    Row("builtin", "alice", [], ("laptop", "alice"), "registry:catalog:*"),
    Row(
        "builtin",
        "lister",
        ["acquisition/app", "public/app", "public/tool", "team/app"],
        ("lister", ""),
    ),
    Row("builtin", "lister", ["team/app"], ("lister", ""), limits("team/**:list")),
]
LIMITED = [row for row in ROWS if row.visible != ALL]


@dataclass
class Registry:
    """A registry of some repositories, as one caller uses it."""

    store: CountingStore
    client: httpx.AsyncClient
    row: Row
    secret: str

    async def headers(self) -> dict[str, str]:
        """Return the caller's ``Authorization``."""
        auth = (self.row.user, self.secret) if self.row.user else None
        if self.row.mode == "builtin":
            return bearer(await token_for(self.client, "registry:catalog:*", auth=auth))
        text = base64.b64encode(":".join(auth).encode()).decode() if auth else ""
        return {"Authorization": f"Basic {text}"} if text else {}


async def registry_of(names: list[str], row: Row) -> Registry:
    environment = {
        "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "unused",
        "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
        "REGISTRY_HTTP_SECRET": SECRET,
        "REGISTRY_AUTH": row.mode,
        "REGISTRY_AUTH_HTPASSWD_PATH": f"alice:{HASH}\nadmin:{HASH}",
        "REGISTRY_AUTH_RULES": RULES,
    }
    if row.mode == "builtin":
        environment["REGISTRY_AUTH_BUILTIN_SIGNINGKEY"] = KEY.pem()
    else:
        environment["REGISTRY_AUTH_HTPASSWD_REALM"] = "registry"
    store = CountingStore(MemoryStore())
    await mark_all(store, names)
    secret = await make_key(store, row) if row.key else PASSWORD
    settings = read_settings(environment)
    application = build_application(settings, build_registry(settings, store), store)
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(application), base_url="http://registry.test"
    )
    return Registry(store, client, row, secret)


async def make_key(store: CountingStore, row: Row) -> str:
    assert row.key is not None
    name, user = row.key
    now = datetime.now(UTC)
    text, key = PersonalKey.make(
        name,
        user,
        created=now,
        expires=now + timedelta(days=1),
        limits=parse_limits([row.scopes]) if row.scopes else None,
    )
    await PersonalKeys(store, Layout()).add(key)
    return text


@pytest.fixture(params=ROWS, ids=str)
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    made = await registry_of(ALL, request.param)
    async with made.client:
        yield made


@pytest.mark.parametrize(
    "parameters",
    [{}, {"n": "1"}, {"n": "2"}, {"n": "3", "last": "public/b"}, {"n": "100"}],
    ids=str,
)
async def test_the_catalog_is_that_of_a_registry_without_hidden_repositories(
    registry: Registry, parameters: dict[str, str]
) -> None:
    row = registry.row
    other = await registry_of(row.visible, row)
    async with other.client:
        wanted = await pages(other.client, parameters, headers=await other.headers())
    found = await pages(registry.client, parameters, headers=await registry.headers())
    assert list(map(Seen.of, found)) == list(map(Seen.of, wanted))
    assert names_on(found) == [name for name in row.visible if name > parameters.get("last", "")]


@settings(deadline=None)
@given(
    names=st.sets(NAMES, max_size=25),
    globs=st.lists(GLOBS, min_size=1, max_size=3),
    limits=st.none() | st.lists(GLOBS, max_size=3),
    n=st.none() | st.integers(0, 6),
    last=LASTS,
)
async def test_any_key_of_any_user_leaves_no_trace_of_hidden_repositories(
    names: set[str],
    globs: list[str],
    limits: list[str] | None,
    n: int | None,
    last: str | None,
) -> None:
    """Whatever the rules of the user and the limits of the key."""
    rules = Rules((Rule((Who("user", "alice"),), (PULL,), tuple(globs)),))
    scopes = None
    if limits is not None:
        scopes = (*parse_limits([f"repository:{glob}:pull" for glob in limits]), WHOLE_CATALOG)
    login = Login(Identity("alice", HTPASSWD), "key", limits=scopes)
    issuer = Issuer(KEY, "registry")
    grant = TokenService([], rules, issuer, RefreshTokens(issuer)).grant(login, [WHOLE_CATALOG])
    verifier = TokenVerifier(issuer.key_set, "registry", "registry")
    tokens, logins = TokenAuthenticator(verifier, None, "registry"), LoginCheck.of([], rules)
    authenticator = BuiltinAuthenticator(tokens, rules, logins)
    caller = await authenticator.authenticate(f"Bearer {grant.token}")

    visible = {
        name
        for name in names
        if RepositoryGlobs(tuple(globs)).match(name)
        and (limits is None or RepositoryGlobs(tuple(limits)).match(name))
    }
    stores = MemoryStore(), MemoryStore()
    await assert_no_trace(stores, caller.permissions, names, visible, query(n, last))


@pytest.mark.parametrize("registry", LIMITED, indirect=True, ids=str)
@pytest.mark.parametrize("path", ["tags/list", "tags/list?n=1", f"referrers/{DIGEST}"])
async def test_listings_of_a_hidden_repository_are_refused_before_storage_is_asked(
    registry: Registry, path: str
) -> None:
    """With the same answer as if it did not exist."""
    headers = await registry.headers()
    registry.store.calls.clear()
    hidden, missing = "zz-private/payroll", "zz-private/nothing"
    answers = [
        await registry.client.get(f"/v2/{name}/{path}", headers=headers)
        for name in (hidden, missing)
    ]
    assert {answer.status_code for answer in answers} <= {401, 403}
    assert comparable(answers[0], hidden) == comparable(answers[1], missing)
    assert registry.store.calls == []


def comparable(answer: httpx.Response, name: str) -> tuple[str, str]:
    """Return headers and body without the repository's name."""
    return str(answer.headers).replace(name, "NAME"), answer.text.replace(name, "NAME")
