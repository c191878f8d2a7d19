"""Our own client logs in to our own registry, with each kind of login that the registry has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from registry_core.auth.tokens.keys import SigningKey
from registry_core.client import ClientOptions, Session
from registry_core.client.credentials import Basic, Fixed
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import (
    CheckVersion,
    DeleteBlob,
    GetBlob,
    MountBlob,
    StartUpload,
)
from registry_core.spec.errors import Denied, Unauthorized
from tests.support.azurite import create_container
from tests.support.hosts import LOCAL, registry_under
from tests.support.token_issuer import TokenIssuer, User

pytestmark = [pytest.mark.anyio, pytest.mark.hosts]

ALICE = Basic("alice", "a password of alice: é")
CONTENT = b"the content of a blob"
DIGEST = Digest.parse(f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")
RULES = """
[[rule]]
who = ["user:alice"]
may = ["pull", "push", "delete"]
on = ["client/**"]
"""
RIGHTS = tuple(f"repository:{name}:pull,push,delete" for name in ("client/a", "client/b"))


@pytest.fixture(scope="module", params=["token", "htpasswd", "builtin"])
def url(
    request: pytest.FixtureRequest, azurite: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A registry that knows alice: by tokens of another service or its own, or her password."""
    environment = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
    }
    with ExitStack() as stack:
        if request.param == "token":
            issuer = stack.enter_context(TokenIssuer("registry.test"))
            issuer.users[ALICE.name] = User(ALICE.password, RIGHTS)
            environment |= issuer.settings()
        elif request.param == "htpasswd":
            environment |= _htpasswd(tmp_path_factory.mktemp("htpasswd"))
        else:
            environment |= {
                "REGISTRY_AUTH": "builtin",
                "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": SigningKey.generate().pem(),
                "REGISTRY_AUTH_HTPASSWD_PATH": _line_of(ALICE),
                "REGISTRY_AUTH_RULES": RULES,
            }
        yield stack.enter_context(registry_under(LOCAL, environment)).url


def _line_of(user: Basic) -> str:
    hashed = bcrypt.hashpw(user.password.encode(), bcrypt.gensalt(4)).decode()
    return f"{user.name}:{hashed}"


def _htpasswd(folder: Path) -> dict[str, str]:
    path = folder / "htpasswd"
    path.write_text(f"{_line_of(ALICE)}\n")
    return {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "registry",
        "REGISTRY_AUTH_HTPASSWD_PATH": str(path),
    }


def options(url: str, login: Basic | None) -> ClientOptions:
    return ClientOptions(url, Fixed(login))


async def send(client: Session, method: str, target: Any, **options: Any) -> bytes:
    async with client.request(method, target, **options) as answer:
        return await answer.read(2**20)


async def test_a_login_serves_for_everything_that_its_user_may_do(url: str) -> None:
    async with Session.open(options(url, ALICE)) as client:
        await send(client, "GET", CheckVersion())
        endpoint = StartUpload("client/a", DIGEST)
        await send(client, "POST", endpoint, body=CONTENT, ok=(201,))
        await send(client, "POST", MountBlob("client/b", DIGEST, "client/a"), ok=(201,))
        assert await send(client, "GET", GetBlob("client/b", DIGEST)) == CONTENT
        await send(client, "DELETE", DeleteBlob("client/b", DIGEST), ok=(202,))


@pytest.mark.parametrize("login", [None, Basic("alice", "wrong"), Basic("bob", ALICE.password)])
async def test_without_the_right_login_nothing_is_given(url: str, login: Basic | None) -> None:
    async with Session.open(options(url, login)) as client:
        with pytest.raises(Unauthorized):
            await send(client, "GET", GetBlob("client/a", DIGEST))


@pytest.mark.parametrize("url", ["token", "builtin"], indirect=True)
async def test_what_the_user_may_not_do_is_refused(url: str) -> None:
    """A password file knows no rights."""
    async with Session.open(options(url, ALICE)) as client:
        with pytest.raises((Unauthorized, Denied)):
            await send(client, "POST", StartUpload("elsewhere/a"), ok=(202,))
