"""A registry in mode `builtin`, in this process: its users, its rules, its clients."""

from __future__ import annotations

import bcrypt
import httpx

from registry_core.app import build_application, build_registry
from registry_core.auth.tokens.keys import SigningKey
from registry_core.config import Settings, read_settings
from tests.support.counting import CountingStore
from tests.support.wire import Wire

KEY = SigningKey.generate()
SECRET = "alice's own secret"
HASH = bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4)).decode()
RULES = """
[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/**"]

[[rule]]
who = ["user:alice"]
may = ["pull", "push"]
on = ["public/**", "team/**"]
"""
URL = "http://registry.test"
ALICE = ("alice", SECRET)


def settings(**others: str) -> Settings:
    """Return the settings of a registry in mode builtin; others may change some, "" removes one."""
    environment = {
        "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "unused",
        "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
        "REGISTRY_STORAGE_REDIRECT_DISABLE": "true",
        "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
        "REGISTRY_AUTH": "builtin",
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": KEY.pem(),
        "REGISTRY_AUTH_HTPASSWD_PATH": f"alice:{HASH}",
        "REGISTRY_AUTH_RULES": RULES,
    }
    return read_settings({name: text for name, text in (environment | others).items() if text})


def connect(store: CountingStore, **others: str) -> httpx.AsyncClient:
    """Return a client of a registry instance over the store."""
    read = settings(**others)
    application = build_application(read, build_registry(read, store), store)
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=URL)


async def token_for(client: httpx.AsyncClient, *scopes: str, auth: object = None) -> str:
    """Request a token by GET, as docker does."""
    answer = await client.get(
        "/auth/token",
        params={"service": "registry", "scope": scopes},
        auth=auth,  # type: ignore[arg-type]
    )
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["token"]
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def push_public(client: httpx.AsyncClient) -> None:
    """Push an image to a repository that everybody may pull."""
    token = await token_for(client, "repository:public/app:pull,push", auth=ALICE)
    client.headers.update(bearer(token))
    await Wire(client, "public/app", set).push_image("v1", b"layer")
    del client.headers["Authorization"]
