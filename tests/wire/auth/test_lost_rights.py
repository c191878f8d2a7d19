"""An upload that was begun with the right to push, by somebody who has lost it since: `builtin`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import bcrypt
import httpx
import pytest

from registry_core.aio import Lazy
from registry_core.app import build_registry
from registry_core.auth.builtin import BuiltinMode
from registry_core.auth.rules import Rules
from registry_core.auth.sources.htpasswd import Htpasswd
from registry_core.auth.sources.personal_keys import PersonalKey, PersonalKeySource
from registry_core.auth.tokens.issuing import Issuer
from registry_core.auth.tokens.keys import SigningKey
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.memory import MemoryStore
from registry_core.server.application import Application
from registry_core.server.context import ServerContext
from registry_core.server.sealing import PAGE, Sealer
from registry_core.server.sessions import SessionSealer
from registry_core.server.urls import Urls
from registry_core.spec.digest import Digest
from registry_core.spec.scopes import parse_scopes
from registry_core.storage.layout import Layout
from registry_core.storage.personal_keys import PersonalKeys
from tests.support.clock import Clock
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

KEY = SigningKey.generate()
SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough", redirect=False)
PUSH = parse_scopes(["repository:a:pull,push"])
LAYER = b"a layer"
ALICE_PUSHES = '[[rule]]\nwho = ["user:alice"]\nmay = ["pull", "push"]\non = ["**"]'
ALICE_PULLS = ALICE_PUSHES.replace(', "push"', "")


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


ALICE, BOB = f"alice:{hashed('secret')}", f"bob:{hashed('secret')}"


@dataclass
class Registry:
    """What is the same for all instances: ``users`` and ``rules`` are those of the next one."""

    users: str = f"{ALICE}\n{BOB}"
    rules: str = ALICE_PUSHES
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(default_factory=MemoryStore)

    @property
    def keys(self) -> PersonalKeys:
        return PersonalKeys(self.store, Layout())

    def mode(self) -> BuiltinMode:
        users = Htpasswd(self.users)
        return BuiltinMode.assemble(
            Issuer(KEY, "registry.test", now=self.clock),
            Rules.parse(self.rules),
            refresh_seconds=0,
            keys=PersonalKeySource(self.keys.find, users.has_user),
            users=users,
        )

    async def token(self, secret: str) -> str:
        tokens = self.mode().tokens
        return tokens.grant(await tokens.log_in("alice", secret), PUSH).token

    @asynccontextmanager
    async def instance(self, token: str) -> AsyncIterator[Wire]:
        """Run an instance, with a client that has the token."""
        context = ServerContext(
            Lazy.of(build_registry(SETTINGS, self.store)),
            SessionSealer(SETTINGS.http_secret, now=self.clock),
            Urls(),
            self.mode().authenticator,
            pages=Sealer(SETTINGS.http_secret, PAGE),
        )
        headers = {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(Application(context))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://registry.test", headers=headers
        ) as client:
            yield Wire(client, "a", set)


async def make_key(registry: Registry) -> str:
    now = datetime.now(UTC)
    text, key = PersonalKey.make("laptop", "alice", created=now, expires=now + timedelta(days=1))
    await registry.keys.add(key)
    return text


async def begin(registry: Registry, token: str) -> str:
    """Upload a piece; then the token expires."""
    async with registry.instance(token) as wire:
        location = (await wire.patch(await wire.start(), LAYER[:3])).headers["Location"]
    registry.clock.pass_by(400)
    return location


async def finish(registry: Registry, token: str, location: str) -> httpx.Response:
    async with registry.instance(token) as wire:
        return await wire.finish(location, Digest.of(LAYER), LAYER[3:])


Loss = Callable[[Registry], Awaitable[None]]


async def nothing(_: Registry) -> None:
    """The token has expired, and no more."""


async def removed(registry: Registry) -> None:
    registry.users = BOB


async def new_password(registry: Registry) -> None:
    registry.users = f"alice:{hashed('secret')}\n{BOB}"


async def may_pull_only(registry: Registry) -> None:
    registry.rules = ALICE_PULLS


async def key_revoked(registry: Registry) -> None:
    await registry.keys.revoke("laptop")


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("loss", [nothing, removed, new_password, may_pull_only, key_revoked])
async def test_an_upload_is_finished_only_by_somebody_who_may_still_push(
    loss: Loss, *, by_key: bool
) -> None:
    """What a key may do does not depend on its user's password, nor the other way round."""
    registry = Registry()
    key = await make_key(registry)
    token = await registry.token(key if by_key else "secret")
    location = await begin(registry, token)
    await loss(registry)
    answer = await finish(registry, token, location)
    keeps = loss is nothing or (loss is new_password if by_key else loss is key_revoked)
    if keeps:
        assert answer.status_code == 201, answer.text
    else:
        assert_error(answer, 401, "UNAUTHORIZED")


async def test_one_location_serves_a_removed_user_for_no_blob_at_all() -> None:
    """Nor does a location without bytes, for anybody whose token has expired."""
    registry = Registry()
    token = await registry.token("secret")
    async with registry.instance(token) as wire:
        empty = await wire.start()
    location = await begin(registry, token)
    await removed(registry)
    before = set(registry.store.objects)
    for each in (empty, location):
        for content in (LAYER, b"another", b"a third"):
            async with registry.instance(token) as wire:
                answer = await wire.finish(each, Digest.of(content), content)
            assert_error(answer, 401, "UNAUTHORIZED")
    assert set(registry.store.objects) == before


async def test_only_tokens_that_grant_pushes_say_how_their_login_is_checked() -> None:
    """Others would only be longer."""
    tokens = Registry().mode().tokens
    login = await tokens.log_in("alice", "secret")
    push, pull = (
        len(tokens.grant(login, parse_scopes([scope])).token)
        for scope in ("repository:a:push", "repository:a:pull")
    )
    assert push > pull + 100
