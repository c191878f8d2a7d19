"""`asgi`: a registry of the caller's own, served."""

from __future__ import annotations

import httpx
import pytest

from registry_core import BasicAuthenticator, Htpasswd, MemoryStore, StoredRegistry, asgi
from registry_core.auth.rules import EVERYONE_KNOWN
from registry_core.auth.sources.htpasswd import htpasswd_line
from registry_core.server.application import Application
from tests.support.in_process import client_of

SECRET = "any text of 32 characters or more"
REGISTRY = StoredRegistry(MemoryStore())
UPLOADS = "/v2/team/app/blobs/uploads/"


pytestmark = pytest.mark.anyio


async def start_upload(application: Application) -> httpx.Response:
    async with client_of(application) as client:
        return await client.post(UPLOADS)


async def test_everybody_may_do_everything_by_default() -> None:
    answer = await start_upload(asgi(REGISTRY, secret=SECRET))
    assert answer.status_code == 202
    assert answer.headers["Location"].startswith(f"http://registry.test{UPLOADS}")


async def test_the_public_url_comes_before_that_of_the_request() -> None:
    answer = await start_upload(asgi(REGISTRY, secret=SECRET, public_url="https://example.com"))
    assert answer.headers["Location"].startswith(f"https://example.com{UPLOADS}")


async def test_urls_can_be_relative() -> None:
    answer = await start_upload(asgi(REGISTRY, secret=SECRET, relative_urls=True))
    assert answer.headers["Location"].startswith(UPLOADS)


async def test_an_authenticator_refuses_callers() -> None:
    users = Htpasswd(htpasswd_line("alice", "secret", 4))
    only_users = BasicAuthenticator(users, "here", EVERYONE_KNOWN)
    answer = await start_upload(asgi(REGISTRY, secret=SECRET, authenticator=only_users))
    assert answer.status_code == 401
    assert 'realm="here"' in answer.headers["WWW-Authenticate"]


async def test_an_upload_continues_in_another_process_with_the_same_secret() -> None:
    started = await start_upload(asgi(REGISTRY, secret=SECRET))
    for secret, status in ((SECRET, 202), (SECRET[::-1], 404)):
        async with client_of(asgi(REGISTRY, secret=secret)) as other:
            answer = await other.patch(started.headers["Location"], content=b"a chunk")
        assert answer.status_code == status


async def test_shutdown_is_called_at_the_end_of_the_lifespan() -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("closed")

    async with client_of(asgi(REGISTRY, secret=SECRET, shutdown=close)):
        assert closed == []
    assert closed == ["closed"]


@pytest.mark.parametrize(
    "secret, expected", [("too short", "at least 32 characters"), ("a" * 64, "easy to guess")]
)
async def test_a_weak_secret_is_refused(secret: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        asgi(REGISTRY, secret=secret)
