"""No cache keeps what the registry takes its own address for: a client could have made it up."""

from __future__ import annotations

import pytest

from registry_core import BasicAuthenticator, Htpasswd, MemoryStore, StoredRegistry, asgi
from registry_core.auth.rules import EVERYONE_KNOWN
from registry_core.auth.sources.htpasswd import htpasswd_line
from tests.support.in_process import client_of

pytestmark = pytest.mark.anyio

SECRET = "a secret for tests, which is long enough"


@pytest.mark.parametrize("path", ["/", "/v2/", "/v2/team/app/manifests/latest", "/v2/_catalog"])
async def test_the_page_and_challenges_are_not_cached(path: str) -> None:
    users = Htpasswd(htpasswd_line("alice", "secret", 4))
    application = asgi(
        StoredRegistry(MemoryStore()),
        secret=SECRET,
        authenticator=BasicAuthenticator(users, "here", EVERYONE_KNOWN),
    )
    async with client_of(application) as client:
        answer = await client.get(path)
    assert answer.status_code == (200 if path == "/" else 401)
    assert answer.headers["Cache-Control"] == "no-store"
