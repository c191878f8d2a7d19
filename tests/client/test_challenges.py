"""How a client authenticates: Docker's challenge, Basic, and what it never sends to whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from registry_core.client.access import Access
from registry_core.client.authentication import Authorization
from registry_core.client.bodies import OneShot
from registry_core.client.credentials import Basic, Fixed, IdentityToken, Login, RegistryToken
from registry_core.client.errors import UrlRefused
from registry_core.client.proxies import Proxies
from registry_core.client.tokens import Token, basic_authorization
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import (
    CheckVersion,
    DeleteManifest,
    GetManifest,
    MountBlob,
    StartUpload,
)
from registry_core.spec.errors import Denied, Unauthorized, Unavailable

from .peers import (
    ALICE,
    ALICE_HEADER,
    Peer,
    Received,
    fetch,
    options,
    peer,
    raw_peer,
    redirect,
    session,
)

pytestmark = pytest.mark.anyio

DIGEST = Digest.parse("sha256:" + "a" * 64)
PULL_A, PULL_B = GetManifest("a", "latest"), GetManifest("b", "latest")


@dataclass
class Service:
    """A token service's answers. Each token's text is the scopes that it was requested for."""

    fields: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    statuses: dict[str, int] = field(default_factory=dict)
    wait: asyncio.Event | None = None

    async def __call__(self, received: Received) -> web.Response:
        if self.wait is not None:
            await self.wait.wait()
        status = self.statuses.get(received.method, self.status)
        if status != 200:
            return web.Response(status=status)
        form = query(received) if received.method == "GET" else parse_qs(received.body.decode())
        scopes = " ".join(form.get("scope", [])).split()
        return web.json_response({"token": "t:" + "+".join(scopes), **self.fields})


def query(received: Received) -> dict[str, list[str]]:
    return parse_qs(urlsplit(received.target).query)


def bearer(realm: str, **parameters: str) -> dict[str, str]:
    texts = {"realm": realm, "service": "registry.test", **parameters}
    listed = ",".join(f'{name}="{text}"' for name, text in texts.items())
    return {"WWW-Authenticate": f"Bearer {listed}"}


def challenging(
    challenge: Callable[[], Mapping[str, str]], accepts: Callable[[Received], bool]
) -> Callable[[Received], web.Response]:
    """Return the answers of a registry that challenges whoever it does not accept."""

    def answer(received: Received) -> web.Response:
        if accepts(received):
            return web.Response(text="content")
        return web.json_response(
            {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]},
            status=401,
            headers=challenge(),
        )

    return answer


def with_token(received: Received) -> bool:
    """Accept a token that names the repository of the request."""
    repository = received.target.split("/")[2]
    return f"repository:{repository}:" in received.authorization


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def issuer(service: Service) -> AsyncIterator[Peer]:
    async with peer(service) as issuer:
        yield issuer


@pytest.fixture
async def registry(issuer: Peer) -> AsyncIterator[Peer]:
    """A registry whose token service is the issuer."""
    async with peer(challenging(lambda: bearer(f"{issuer.url}/token"), with_token)) as registry:
        yield registry


async def test_a_token_is_requested_for_what_the_request_needs(
    registry: Peer, issuer: Peer
) -> None:
    async with session(registry.url, ALICE) as client:
        assert await fetch(client, "GET", PULL_A) == b"content"
    [request] = issuer.received
    assert request.authorization == ALICE_HEADER
    assert query(request)["service"] == ["registry.test"]
    assert query(request)["scope"] == ["repository:a:pull"]
    assert registry.authorizations == ["", "Bearer t:repository:a:pull"]


async def test_an_anonymous_client_requests_a_token_without_a_login(
    registry: Peer, issuer: Peer
) -> None:
    async with session(registry.url) as client:
        await fetch(client, "GET", PULL_A)
    assert issuer.authorizations == [""]


async def test_after_the_first_challenge_tokens_are_fetched_ahead_of_requests(
    registry: Peer,
) -> None:
    async with session(registry.url, ALICE) as client:
        await fetch(client, "GET", PULL_A)
        await fetch(client, "GET", PULL_B)
    assert registry.authorizations[1:] == [
        "Bearer t:repository:a:pull",
        "Bearer t:repository:b:pull",
    ]


async def test_a_token_is_used_again_also_for_less_than_it_allows(
    registry: Peer, issuer: Peer
) -> None:
    async with session(registry.url, ALICE) as client:
        await fetch(client, "POST", StartUpload("a"))
        for _ in range(3):
            await fetch(client, "GET", PULL_A)
    assert [query(each)["scope"] for each in issuer.received] == [["repository:a:pull,push"]]


async def test_one_token_covers_both_repositories_of_a_mount(registry: Peer, issuer: Peer) -> None:
    async with session(registry.url, ALICE) as client:
        await fetch(client, "POST", MountBlob("a", DIGEST, "b"))
        await fetch(client, "GET", PULL_B)
    assert [query(each)["scope"] for each in issuer.received] == [
        ["repository:a:pull,push", "repository:b:pull"]
    ]


async def test_requests_at_the_same_time_share_one_request_for_a_token(
    registry: Peer, issuer: Peer, service: Service
) -> None:
    service.wait = asyncio.Event()
    async with session(registry.url, ALICE) as client:
        tasks = [asyncio.create_task(fetch(client, "GET", PULL_A)) for _ in range(5)]
        async with asyncio.timeout(5):
            while len(registry.received) < 5 or not issuer.received:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        tasks[0].cancel()
        service.wait.set()
        assert await asyncio.gather(*tasks[1:]) == [b"content"] * 4
    assert len(issuer.received) == 1


@pytest.mark.parametrize("login", [ALICE, None])
async def test_tokens_under_either_name_are_accepted(
    registry: Peer, service: Service, login: Login | None
) -> None:
    service.fields = {"token": "", "access_token": "repository:a:"}
    async with session(registry.url, login) as client:
        assert await fetch(client, "GET", PULL_A) == b"content"


@pytest.mark.parametrize(
    "expires_in,seconds", [(None, 45), (10, 45), ("x", 45), (-1, 45), (True, 45), (300, 270)]
)
async def test_a_token_is_renewed_before_it_expires(
    issuer: Peer, service: Service, registry: Peer, expires_in: object, seconds: float
) -> None:
    """It lives for a minute at least, whatever its service says."""
    service.fields = {"expires_in": expires_in}
    now = 1000.0
    async with session(registry.url, ALICE) as client:
        client._authentication._tokens._now = lambda: now
        await fetch(client, "GET", PULL_A)
        now += seconds - 1
        await fetch(client, "GET", PULL_A)
        assert len(issuer.received) == 1
        now += 2
        await fetch(client, "GET", PULL_A)
        assert len(issuer.received) == 2


async def test_an_identity_token_is_exchanged_by_post(registry: Peer, issuer: Peer) -> None:
    async with session(registry.url, IdentityToken("the refresh token", "alice")) as client:
        await fetch(client, "GET", PULL_A)
    [request] = issuer.received
    assert request.method == "POST"
    assert request.authorization == ""
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["the refresh token"],
        "client_id": ["moorage"],
        "service": ["registry.test"],
        "scope": ["repository:a:pull"],
    }


@pytest.mark.parametrize("status", [404, 405])
async def test_a_service_without_post_gets_the_identity_token_as_a_password(
    registry: Peer, issuer: Peer, service: Service, status: int
) -> None:
    service.statuses = {"POST": status}
    async with session(registry.url, IdentityToken("refresh", "alice")) as client:
        await fetch(client, "GET", PULL_A)
    assert issuer.authorizations == ["", "Basic YWxpY2U6cmVmcmVzaA=="]


async def test_a_refresh_token_that_the_service_gives_is_used_from_then_on(
    registry: Peer, issuer: Peer, service: Service
) -> None:
    service.fields = {"refresh_token": "given"}
    async with session(registry.url, ALICE) as client:
        await fetch(client, "GET", PULL_A)
        await fetch(client, "GET", PULL_B)
    assert [each.method for each in issuer.received] == ["GET", "POST"]
    assert parse_qs(issuer.received[1].body.decode())["refresh_token"] == ["given"]


async def test_a_refresh_token_that_has_expired_gives_way_to_the_login(
    registry: Peer, issuer: Peer, service: Service
) -> None:
    service.fields, service.statuses = {"refresh_token": "given"}, {"POST": 401}
    async with session(registry.url, ALICE) as client:
        await fetch(client, "GET", PULL_A)
        await fetch(client, "GET", PULL_B)
    assert [each.method for each in issuer.received] == ["GET", "POST", "GET"]


async def test_a_registry_token_is_sent_as_it_is(registry: Peer, issuer: Peer) -> None:
    async with session(registry.url, RegistryToken("repository:a:")) as client:
        await fetch(client, "GET", PULL_A)
    assert registry.authorizations == ["", "Bearer repository:a:"]
    assert issuer.received == []


async def test_a_withdrawn_token_is_replaced_once(issuer: Peer, service: Service) -> None:
    def accepts(received: Received) -> bool:
        return received.authorization not in ("", "Bearer withdrawn")

    async with (
        peer(challenging(lambda: bearer(issuer.url), accepts)) as registry,
        session(registry.url, ALICE) as client,
    ):
        service.fields = {"token": "first"}
        await fetch(client, "GET", PULL_A)
        client._authentication._tokens._held = [
            _renamed(token, "withdrawn") for token in client._authentication._tokens._held
        ]
        service.fields = {"token": "second"}
        assert await fetch(client, "GET", PULL_A) == b"content"
    assert registry.authorizations[2:] == ["Bearer withdrawn", "Bearer second"]


def _renamed(token: Any, text: str) -> Any:
    return type(token)(text, token.access, token.expires, token.login)


async def test_a_challenge_may_name_more_than_the_request_seems_to_need(
    issuer: Peer,
) -> None:
    """As registries do that have actions, or scopes, of their own."""
    scope = "repository:a:delete,metadata_read aws"

    def accepts(received: Received) -> bool:
        return "aws" in received.authorization

    async with (
        peer(challenging(lambda: bearer(issuer.url, scope=scope), accepts)) as registry,
        session(registry.url, ALICE) as client,
    ):
        await fetch(client, "DELETE", DeleteManifest("a", DIGEST))
    assert [query(each)["scope"] for each in issuer.received] == [
        ["repository:a:delete,metadata_read", "aws"]
    ]


async def test_a_challenge_outside_ascii_reaches_the_token_service_as_it_is(
    issuer: Peer, service: Service
) -> None:
    """A registry may write it in any encoding; some are not UTF-8."""
    service.fields = {"token": "any"}
    sent = bearer(issuer.url, scope="\udcff", service="\u00e9")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: ")
            writer.write(sent["WWW-Authenticate"].encode("utf-8", "surrogateescape"))
            writer.write(b"\r\n\r\n")

    async with raw_peer(answer) as registry, session(registry.url) as client:
        with pytest.raises(Unauthorized):
            await fetch(client, "GET", PULL_A)
    target = issuer.received[0].target
    assert "service=%C3%A9" in target
    assert "scope=%FF" in target


async def test_insufficient_scope_is_answered_with_a_wider_token(issuer: Peer) -> None:
    def answer(received: Received) -> web.Response:
        if "push" in received.authorization:
            return web.Response(text="content")
        if received.authorization:
            more = {"scope": "repository:a:pull,push", "error": "insufficient_scope"}
            return web.Response(status=403, headers=bearer(issuer.url, **more))
        return web.Response(status=401, headers=bearer(issuer.url))

    async with peer(answer) as registry, session(registry.url, ALICE) as client:
        assert await fetch(client, "GET", PULL_A) == b"content"
    assert [query(each)["scope"] for each in issuer.received] == [
        ["repository:a:pull"],
        ["repository:a:pull,push"],
    ]


@pytest.mark.parametrize("login", [ALICE, None])
async def test_a_registry_that_accepts_no_token_is_asked_twice(
    issuer: Peer, login: Login | None
) -> None:
    challenge = {"scope": "repository:a:pull", "error": "invalid_token"}
    answers = challenging(lambda: bearer(issuer.url, **challenge), lambda _: False)
    async with peer(answers) as registry, session(registry.url, login) as client:
        with pytest.raises(Unauthorized, match="authentication required"):
            await fetch(client, "GET", PULL_A)
    assert len(registry.received) == 2
    assert len(issuer.received) == 1


async def test_a_registry_that_always_names_another_scope_does_not_make_a_loop(
    issuer: Peer,
) -> None:
    count = 0

    def challenge() -> dict[str, str]:
        nonlocal count
        count += 1
        return bearer(issuer.url, scope=f"repository:r{count}:pull")

    async with (
        peer(challenging(challenge, lambda _: False)) as registry,
        session(registry.url, ALICE) as client,
    ):
        with pytest.raises(Unauthorized):
            await fetch(client, "GET", PULL_A)
    assert len(registry.received) == 3
    assert len(issuer.received) == 2


async def test_a_refusal_is_final(issuer: Peer) -> None:
    def answer(received: Received) -> web.Response:
        status = 403 if received.authorization else 401
        return web.Response(status=status, headers=bearer(issuer.url))

    async with peer(answer) as registry, session(registry.url, ALICE) as client:
        with pytest.raises(Denied):
            await fetch(client, "GET", PULL_A)
    assert len(registry.received) == 2


async def test_basic_is_sent_only_after_a_challenge() -> None:
    challenge = {"WWW-Authenticate": 'Basic realm="r"'}
    answers = challenging(lambda: challenge, lambda each: each.authorization == ALICE_HEADER)
    async with peer(answers) as registry, session(registry.url, ALICE) as client:
        await fetch(client, "GET", PULL_A)
        await fetch(client, "GET", PULL_B)
    assert registry.authorizations == ["", ALICE_HEADER, ALICE_HEADER]


async def test_a_wrong_password_is_sent_once() -> None:
    challenge = {"WWW-Authenticate": 'Basic realm="r"'}
    async with (
        peer(challenging(lambda: challenge, lambda _: False)) as registry,
        session(registry.url, ALICE) as client,
    ):
        with pytest.raises(Unauthorized):
            await fetch(client, "GET", PULL_A)
    assert registry.authorizations == ["", ALICE_HEADER]


async def test_a_missing_login_is_said_to_be_missing() -> None:
    challenge = {"WWW-Authenticate": 'Basic realm="r"'}
    async with (
        peer(challenging(lambda: challenge, lambda _: False)) as registry,
        session(registry.url) as client,
    ):
        with pytest.raises(Unauthorized, match=r"requires a login; log in to 127"):
            await fetch(client, "GET", PULL_A)


async def test_bearer_is_preferred_to_basic(issuer: Peer) -> None:
    def challenge() -> dict[str, str]:
        both = f'Basic realm="r", {bearer(issuer.url)["WWW-Authenticate"]}'
        return {"WWW-Authenticate": both}

    async with (
        peer(challenging(challenge, with_token)) as registry,
        session(registry.url, ALICE) as client,
    ):
        await fetch(client, "GET", PULL_A)
    assert ALICE_HEADER not in registry.authorizations


async def test_challenges_may_come_in_several_headers(issuer: Peer) -> None:
    def answer(received: Received) -> web.Response:
        if with_token(received):
            return web.Response()
        response = web.Response(status=401)
        response.headers.add("WWW-Authenticate", bearer(issuer.url)["WWW-Authenticate"])
        response.headers.add("WWW-Authenticate", "Negotiate")
        return response

    async with peer(answer) as registry, session(registry.url, ALICE) as client:
        await fetch(client, "GET", PULL_A)


@pytest.mark.parametrize(
    "header", ["", "Negotiate", 'Bearer realm="unclosed', "Digest realm=x", "\x80"]
)
async def test_a_challenge_that_cannot_be_answered_leaves_the_error(header: str) -> None:
    answers = challenging(lambda: {"WWW-Authenticate": header}, lambda _: False)
    async with peer(answers) as registry, session(registry.url, ALICE) as client:
        with pytest.raises(Unauthorized, match="authentication required"):
            await fetch(client, "GET", CheckVersion())
    assert registry.authorizations == [""]


async def test_a_challenge_must_say_who_issues_tokens() -> None:
    answers = challenging(lambda: {"WWW-Authenticate": 'Bearer service="s"'}, lambda _: False)
    async with peer(answers) as registry, session(registry.url, ALICE) as client:
        with pytest.raises(Unavailable, match="demands a token and does not say of whom"):
            await fetch(client, "GET", CheckVersion())


async def test_a_body_that_cannot_be_sent_again_leaves_the_challenge(registry: Peer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    async with session(registry.url, ALICE) as client:
        with pytest.raises(Unauthorized):
            await fetch(client, "PATCH", "/v2/a/blobs/uploads/1", body=OneShot(pieces()))
        await fetch(client, "PATCH", "/v2/a/blobs/uploads/1", body=pieces)
    assert [each.body for each in registry.received] == [b"x", b"x"]


async def test_a_login_that_the_token_service_does_not_accept_is_an_error(
    registry: Peer, issuer: Peer, service: Service
) -> None:
    service.status = 401
    async with session(registry.url, ALICE) as client:
        with pytest.raises(Unauthorized, match="did not accept the login") as raised:
            await fetch(client, "GET", PULL_A)
    assert issuer.url in str(raised.value)
    assert "secret" not in str(raised.value)
    assert len(issuer.received) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"token": 1}',
        b'{"token": "a\\nb"}',
        b'{"token": "\\u00e9"}',
        b"[" * 100_000,
        json.dumps({"token": "x" * 100_000}).encode(),
    ],
)
async def test_a_token_service_that_sends_no_token_is_an_error(body: bytes) -> None:
    async with peer(lambda _: web.Response(body=body)) as issuer:
        answers = challenging(lambda: bearer(issuer.url), lambda _: False)
        async with peer(answers) as registry, session(registry.url, ALICE) as client:
            with pytest.raises(Unavailable, match=f"token service {issuer.url} sent no"):
                await fetch(client, "GET", PULL_A)


async def test_a_token_answer_of_any_size_is_read_up_to_a_limit() -> None:
    written = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"token": "')
        while True:
            writer.write(b"x" * 2**20)
            await writer.drain()
            written += 1

    async with raw_peer(endless) as issuer:
        answers = challenging(lambda: bearer(issuer.url), lambda _: False)
        async with peer(answers) as registry, session(registry.url, ALICE) as client:
            with pytest.raises(Unavailable, match="more than"):
                await fetch(client, "GET", PULL_A)
    assert written < 20


async def test_a_token_service_that_fails_for_a_moment_is_asked_again(
    registry: Peer, issuer: Peer, service: Service
) -> None:
    async def recover() -> None:
        while not issuer.received:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0)
        service.status = 200

    service.status = 503
    async with session(registry.url, ALICE) as client:
        _, content = await asyncio.gather(recover(), fetch(client, "GET", PULL_A))
    assert content == b"content"


async def test_a_token_service_is_not_followed_elsewhere(service: Service) -> None:
    async with peer(service) as other, peer(lambda _: redirect(f"{other.url}/token")) as issuer:
        answers = challenging(lambda: bearer(issuer.url), with_token)
        async with peer(answers) as registry, session(registry.url, ALICE) as client:
            with pytest.raises(Unavailable, match="answered with status 307"):
                await fetch(client, "GET", PULL_A)
    assert other.received == []


async def test_a_login_is_not_sent_to_a_realm_of_another_domain(issuer: Peer) -> None:
    """The registry is 127.0.0.1, and names ``localhost``."""
    realm = f"http://localhost:{issuer.port}/token"
    async with peer(challenging(lambda: bearer(realm), with_token)) as registry:
        for login in (ALICE, IdentityToken("refresh")):
            async with session(registry.url, login) as client:
                with pytest.raises(UrlRefused, match="not of its domain; if that is right, allow"):
                    await fetch(client, "GET", PULL_A)
        assert issuer.received == []
        async with session(registry.url) as client:
            await fetch(client, "GET", PULL_A)
        async with session(registry.url, ALICE, realms=frozenset({"localhost"})) as client:
            await fetch(client, "GET", PULL_A)
    assert issuer.authorizations == ["", ALICE_HEADER]


@pytest.mark.parametrize("login", [ALICE, None])
@pytest.mark.parametrize(
    "realm,message",
    [
        ("http://auth.example.com/token", "not encrypted"),
        ("https://169.254.169.254/token", "metadata service"),
        ("http://169.254.169.254/token", "not encrypted"),
        ("https://[fe80::1]/token", "metadata service"),
        ("https://alice:x@auth.example.com/token", "user name"),
        ("file:///etc/passwd", "not valid"),
        ("https://", "not valid"),
    ],
)
async def test_a_realm_where_tokens_may_not_be_requested_is_refused(
    realm: str, message: str, login: Login | None
) -> None:
    async with (
        peer(challenging(lambda: bearer(realm), lambda _: False)) as registry,
        session(registry.url, login) as client,
    ):
        with pytest.raises(UrlRefused, match=message):
            await fetch(client, "GET", PULL_A)


async def test_another_servers_challenge_is_not_answered(issuer: Peer) -> None:
    """A redirect must not make the client log in at the token service of whom it leads to."""
    challenge = bearer(issuer.url)
    async with (
        peer(challenging(lambda: challenge, lambda _: False)) as other,
        peer(lambda _: redirect(f"{other.url}/x")) as registry,
        session(registry.url, ALICE) as client,
    ):
        with pytest.raises(Unauthorized):
            await fetch(client, "GET", PULL_A)
    assert other.authorizations == [""]
    assert issuer.received == []


async def test_a_redirect_within_the_registry_is_authorized_for_where_it_leads(
    issuer: Peer,
) -> None:
    """As Harbor does for official images of Docker Hub: ``a`` is at ``library``."""

    def answer(received: Received) -> web.Response:
        if not received.authorization:
            return web.Response(status=401, headers=bearer(issuer.url))
        if "/a/" in received.target:
            return redirect("/v2/b/manifests/latest", 301)
        if with_token(received):
            return web.Response(text="content")
        scope = {"scope": "repository:b:pull"}
        return web.Response(status=401, headers=bearer(issuer.url, **scope))

    async with peer(answer) as registry, session(registry.url, ALICE) as client:
        assert await fetch(client, "GET", PULL_A) == b"content"


def test_no_text_shows_a_secret() -> None:
    token = Token("the-token", Access(), 0, ALICE)
    values = (
        *(ALICE, IdentityToken("secret"), RegistryToken("secret"), Fixed(ALICE), token),
        *(Authorization("Bearer secret", token), options("https://a.example", ALICE)),
    )
    for value in values:
        assert "secret" not in repr(value)
        assert "the-token" not in repr(value)


async def test_a_password_is_not_sent_over_http_to_another_machine() -> None:
    """A proxy stands for the way to a registry that is not on loopback."""

    def answer(_: Received) -> web.Response:
        return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=x"})

    async with peer(answer) as proxy:
        proxies = Proxies.from_environment({"http_proxy": proxy.url})
        url = "http://registry.example.com"
        for login in (ALICE, RegistryToken("secret")):
            async with session(url, login, insecure=True, proxies=proxies) as client:
                with pytest.raises(UrlRefused, match="without encryption; use https"):
                    await fetch(client, "GET", PULL_A)
    assert proxy.authorizations == ["", ""]


def test_basic_credentials_are_in_utf_8() -> None:
    assert basic_authorization(Basic("é", "ü:x")) == "Basic w6k6w7w6eA=="
