"""Where a client goes when a registry sends it elsewhere, and what it takes along."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from registry_core.client.credentials import Basic
from registry_core.client.errors import UrlRefused
from registry_core.client.proxies import Proxies
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import GetBlob, HeadBlob
from registry_core.spec.errors import Unauthorized

from .peers import ALICE, ALICE_HEADER, Handler, Peer, Received, fetch, peer, redirect, session

pytestmark = pytest.mark.anyio

BLOB = GetBlob("a", Digest.parse("sha256:" + "a" * 64))
HEAD = HeadBlob(BLOB.repository, BLOB.digest)
SIGNED = "/blob?sig=a%2Fb%3D&x=+"


def login_first(location: str) -> Handler:
    """Return the answers of a registry that wants Basic, and then redirects."""

    def answer(received: Received) -> web.Response:
        if not received.authorization:
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=r"})
        return redirect(location)

    return answer


@pytest.fixture
async def storage() -> AsyncIterator[Peer]:
    async with peer(lambda _: web.Response(text="content")) as storage:
        yield storage


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_get_follows_a_redirect_to_the_url_exactly_as_it_is_signed(
    storage: Peer, status: int
) -> None:
    location = f"{storage.url}{SIGNED}"
    async with (
        peer(lambda _: redirect(location, status)) as registry,
        session(registry.url) as client,
        client.request("GET", BLOB, headers={"Range": "bytes=0-"}) as answer,
    ):
        assert await answer.read(100) == b"content"
        assert answer.url == location
    assert storage.targets == [f"GET {SIGNED}"]
    assert storage.received[0].headers["Range"] == "bytes=0-"


async def test_authorization_does_not_leave_its_host(storage: Peer) -> None:
    """Another port of the same address is another server."""
    async with (
        peer(login_first(f"{storage.url}/blob")) as registry,
        session(registry.url, ALICE) as client,
    ):
        await fetch(client, "GET", BLOB)
    assert registry.authorizations == ["", ALICE_HEADER]
    assert storage.authorizations == [""]


async def test_authorization_does_not_come_back_from_another_host() -> None:
    """What another host sends back to the registry is not the client's own request any more."""

    async def to_registry(_: Received) -> web.Response:
        return redirect(f"{registry.url}/v2/private/blobs/x")

    async with peer(to_registry) as other:
        answers = login_first(f"{other.url}/x")
        async with peer(answers) as registry, session(registry.url, ALICE) as client:
            with pytest.raises(Unauthorized):
                await fetch(client, "GET", BLOB)
    assert registry.authorizations == ["", ALICE_HEADER, ""]


async def test_a_relative_redirect_stays_authorized() -> None:
    def answer(received: Received) -> web.Response:
        if not received.authorization:
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=r"})
        return web.Response(text="x") if received.target == "/moved" else redirect("../../../moved")

    async with peer(answer) as registry, session(registry.url, ALICE) as client:
        await fetch(client, "GET", "/v2/a/b")
    assert registry.authorizations[1:] == [ALICE_HEADER, ALICE_HEADER]


async def test_requests_with_a_body_are_not_redirected(storage: Peer) -> None:
    async with (
        peer(lambda _: redirect(f"{storage.url}/x")) as registry,
        session(registry.url) as client,
    ):
        for method in ("PUT", "POST", "PATCH", "DELETE"):
            async with client.request(method, "/x", body=b"x", ok=(307,)) as answer:
                assert answer.status == 307
    assert storage.received == []


async def test_a_caller_may_look_at_a_redirect(storage: Peer) -> None:
    async with (
        peer(lambda _: redirect(f"{storage.url}{SIGNED}")) as registry,
        session(registry.url) as client,
    ):
        async with client.request("HEAD", HEAD, ok=(307,), redirects=False) as answer:
            assert answer.headers["Location"] == f"{storage.url}{SIGNED}"
        assert await client.resolve_redirect(BLOB) == f"{storage.url}{SIGNED}"
    assert storage.received == []


async def test_a_registry_that_answers_by_itself_has_no_url() -> None:
    async with (
        peer(lambda _: web.Response(text="x")) as registry,
        session(registry.url) as client,
    ):
        assert await client.resolve_redirect(BLOB) is None


async def test_a_hostile_redirect_is_not_handed_out_either() -> None:
    async with (
        peer(lambda _: redirect("https://169.254.169.254/latest")) as registry,
        session(registry.url) as client,
    ):
        with pytest.raises(UrlRefused):
            await client.resolve_redirect(BLOB)


async def test_five_redirects_are_followed_and_six_are_not() -> None:
    def answer(received: Received) -> web.Response:
        left = int(received.target[1:])
        return redirect(f"/{left - 1}") if left else web.Response(text="there")

    async with peer(answer) as registry, session(registry.url) as client:
        assert await fetch(client, "GET", "/5") == b"there"
        with pytest.raises(UrlRefused, match="more than 5 times"):
            await fetch(client, "GET", "/6")


HOSTILE = [
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://2852039166/",
    "https://0xa9.0xfe.0xa9.0xfe/",
    "https://0251.0376.0251.0376/",
    "https://169.254.43518/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/",
    "https://168.63.129.16/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "http://storage.example.com/blob",
    "http://10.0.0.1/",
    "ftp://storage.example.com/",
    "file:///etc/passwd",
    "https://user:password@storage.example.com/",
    "https://storage.example.com:99999/",
    "https:///blob",
    "//169.254.169.254/latest",
]


@pytest.mark.parametrize("location", HOSTILE)
@pytest.mark.parametrize("how", ["redirect", "given"])
async def test_a_url_to_where_only_the_client_can_go_is_refused(location: str, how: str) -> None:
    """Also from a registry on loopback, and also as a ``Location`` or ``Link``."""
    async with (
        peer(lambda _: redirect(location)) as registry,
        session(registry.url, ALICE) as client,
    ):
        with pytest.raises(UrlRefused) as raised:
            await fetch(client, "GET", BLOB if how == "redirect" else location)
    assert "password" not in str(raised.value)
    assert len(registry.received) == (how == "redirect")


LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "LOCALHOST."]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", LOOPBACK_HOSTS)
async def test_a_registry_elsewhere_cannot_send_a_client_to_its_own_machine(
    storage: Peer, scheme: str, host: str
) -> None:
    """The registry is behind a proxy, as far as the client can see."""
    location = f"{scheme}://{host}:{storage.port}/secret"
    async with peer(lambda _: redirect(location)) as proxy:
        proxies = Proxies.from_environment({"http_proxy": proxy.url})
        url = "http://registry.example.com"
        async with session(url, insecure=True, proxies=proxies) as client:
            with pytest.raises(UrlRefused):
                await fetch(client, "GET", BLOB)
    assert storage.received == []


async def test_a_registry_elsewhere_cannot_have_the_login_sent_to_this_machine(
    storage: Peer,
) -> None:
    def answer(_: Received) -> web.Response:
        realm = f'Bearer realm="{storage.url}/token",service="x"'
        return web.Response(status=401, headers={"WWW-Authenticate": realm})

    async with peer(answer) as proxy:
        proxies = Proxies.from_environment({"http_proxy": proxy.url})
        url = "http://registry.example.com"
        for login in (ALICE, Basic("a", "b"), None):
            async with session(url, login, insecure=True, proxies=proxies) as client:
                with pytest.raises(UrlRefused):
                    await fetch(client, "GET", BLOB)
    assert storage.received == []


async def test_a_local_registry_may_redirect_to_local_storage_under_another_name(
    storage: Peer,
) -> None:
    location = f"http://localhost:{storage.port}/blob"
    async with (
        peer(lambda _: redirect(location)) as registry,
        session(registry.url) as client,
    ):
        assert await fetch(client, "GET", BLOB) == b"content"


async def test_content_is_put_to_storage_without_the_registrys_login(storage: Peer) -> None:
    """As blocks are, to a URL that the registry gave."""
    challenge = {"WWW-Authenticate": "Basic realm=r"}

    def answer(received: Received) -> web.Response:
        return (
            web.Response()
            if received.authorization
            else web.Response(status=401, headers=challenge)
        )

    async with peer(answer) as registry, session(registry.url, ALICE) as client:
        await fetch(client, "GET", BLOB)
        await fetch(client, "PUT", f"{storage.url}/block?sig=x", body=b"block")
    [received] = storage.received
    assert received.body == b"block"
    assert received.authorization == ""
    assert received.headers["Content-Length"] == "5"


async def test_a_fragment_is_not_sent(storage: Peer) -> None:
    async with (
        peer(lambda _: redirect(f"{storage.url}/blob#x")) as registry,
        session(registry.url) as client,
    ):
        await fetch(client, "GET", BLOB)
    assert storage.targets == ["GET /blob"]


async def test_characters_that_do_not_belong_into_a_url_cannot_add_a_header() -> None:
    async with peer(lambda _: web.Response()) as registry, session(registry.url) as client:
        await fetch(client, "GET", "/v2/x y\r\nX-Evil: 1\r\n\u00e9")
    assert registry.targets == ["GET /v2/x%20y%0D%0AX-Evil:%201%0D%0A%C3%A9"]
