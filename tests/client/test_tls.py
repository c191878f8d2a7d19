"""Whose certificates a client trusts, and to whom it shows its own."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from registry_core.client.session import Session
from registry_core.client.tls import Tls, docker_tls, make_contexts
from registry_core.spec.endpoints import CheckVersion
from registry_core.spec.errors import Unavailable
from tests.support.certificates import Certified, certify

from .peers import Received, fetch, options, peer, redirect, session

HOST = "127.0.0.1"


def ok(_: Received) -> web.Response:
    return web.Response(text="content")


@dataclass(frozen=True)
class Files:
    """An authority, and what it has certified."""

    folder: Path
    authority: Certified

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    @property
    def ca(self) -> Path:
        return self.write("ca.crt", self.authority.pem)

    def server(self, *hosts: str, wants_certificate: bool | None = False) -> ssl.SSLContext:
        """Return a server's TLS; ``wants_certificate``: None for one that is optional."""
        made = certify("server", self.authority, hosts=hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            self.write("server.pem", made.pem), self.write("server.key", made.key_pem)
        )
        if wants_certificate is not False:
            context.verify_mode = ssl.CERT_REQUIRED if wants_certificate else ssl.CERT_OPTIONAL
            context.load_verify_locations(self.ca)
        return context

    def client(self) -> tuple[Path, Path]:
        made = certify("client", self.authority, hosts=["client"])
        certificate = self.write("client.cert", made.pem)
        return certificate, self.write("client.key", made.key_pem)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, certify("an authority", authority=True))


@pytest.mark.anyio
async def test_a_certificate_of_an_unknown_authority_is_not_trusted(files: Files) -> None:
    async with peer(ok, files.server(HOST)) as registry, session(registry.url) as client:
        with pytest.raises(Unavailable, match=r"is not trusted: .*; provide the certificate of"):
            await fetch(client, "GET", CheckVersion())
    assert registry.received == []


@pytest.mark.anyio
@pytest.mark.parametrize("is_folder", [False, True])
async def test_an_authority_of_ones_own_is_trusted(files: Files, *, is_folder: bool) -> None:
    authorities = (files.ca.parent if is_folder else files.ca,)
    async with (
        peer(ok, files.server(HOST)) as registry,
        session(registry.url, tls=Tls(authorities)) as client,
    ):
        assert await fetch(client, "GET", CheckVersion()) == b"content"


@pytest.mark.anyio
async def test_a_certificate_for_another_host_is_not_trusted(files: Files) -> None:
    async with (
        peer(ok, files.server("registry.example.com")) as registry,
        session(registry.url, tls=Tls((files.ca,))) as client,
    ):
        with pytest.raises(Unavailable, match=r"is not trusted: .*mismatch"):
            await fetch(client, "GET", CheckVersion())
    assert registry.received == []


@pytest.mark.anyio
async def test_verification_can_be_switched_off_for_the_registrys_host_alone(files: Files) -> None:
    async with peer(ok, files.server("localhost")) as storage:
        location = f"https://localhost:{storage.port}/blob"
        async with (
            peer(lambda _: redirect(location), files.server(HOST)) as registry,
            session(registry.url, tls=Tls(verify=False)) as client,
        ):
            async with client.request("GET", "/x", ok=(307,), redirects=False):
                pass  # is trusted
            with pytest.raises(Unavailable, match=r"localhost.* is not trusted"):
                await fetch(client, "GET", "/x")
    assert storage.received == []


@pytest.mark.anyio
@pytest.mark.parametrize("in_one_file", [False, True])
async def test_a_registry_that_wants_it_is_shown_the_clients_certificate(
    files: Files, *, in_one_file: bool
) -> None:
    certificate, key = files.client()
    tls = Tls((files.ca,), certificate, key)
    if in_one_file:
        both = files.write("both.pem", certificate.read_text() + key.read_text())
        tls = Tls((files.ca,), both)
    server = files.server(HOST, wants_certificate=True)
    async with peer(ok, server) as registry, session(registry.url, tls=tls) as client:
        await fetch(client, "GET", CheckVersion())
    assert [each.with_certificate for each in registry.received] == [True]


@pytest.mark.anyio
async def test_the_clients_certificate_is_not_shown_to_another_host(files: Files) -> None:
    certificate, key = files.client()
    storage_tls = files.server("localhost", wants_certificate=None)
    async with peer(ok, storage_tls) as storage:
        location = f"https://localhost:{storage.port}/blob"
        registry_tls = files.server(HOST, wants_certificate=True)
        async with (
            peer(lambda _: redirect(location), registry_tls) as registry,
            session(registry.url, tls=Tls((files.ca,), certificate, key)) as client,
        ):
            await fetch(client, "GET", "/x")
    assert [each.with_certificate for each in storage.received] == [False]


@pytest.mark.anyio
async def test_a_registry_without_tls_is_recognised() -> None:
    async with (
        peer(ok) as registry,
        session(registry.url.replace("http:", "https:")) as client,
    ):
        with pytest.raises(Unavailable, match=r"does not speak TLS; use http:// if"):
            await fetch(client, "GET", CheckVersion())


@pytest.mark.anyio
async def test_a_session_with_unusable_files_does_not_open(files: Files) -> None:
    made = options("https://a.example.com", tls=Tls((files.folder / "missing.crt",)))
    with pytest.raises(ValueError, match=r"missing\.crt is not a file of certificates"):
        async with Session.open(made):
            pass


def test_files_that_are_not_certificates_are_named(files: Files, tmp_path: Path) -> None:
    text = files.write("text.crt", "hello")
    with pytest.raises(ValueError, match=r"text\.crt is not a file of certificates"):
        make_contexts(Tls((text,)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no certificates"):
        make_contexts(Tls((tmp_path / "empty",)))
    certificate, _ = files.client()
    with pytest.raises(ValueError, match=r"client certificate .*client\.cert cannot be used"):
        make_contexts(Tls((), certificate))
    with pytest.raises(ValueError, match=r"client certificate .*text\.crt cannot be used"):
        make_contexts(Tls((), text))


def test_a_key_with_a_passphrase_is_an_error_and_does_not_ask_for_it(files: Files) -> None:
    certificate, _ = files.client()
    made = certify("client", files.authority, hosts=["client"])
    encrypted = made.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    key = files.write("encrypted.key", encrypted.decode())
    with pytest.raises(ValueError, match="has a passphrase"):
        make_contexts(Tls((), certificate, key))


def test_dockers_folder_for_a_host_has_authorities_and_a_certificate(tmp_path: Path) -> None:
    folder = tmp_path / ".config/containers/certs.d/registry.example.com:5000"
    folder.mkdir(parents=True)
    for name in ("ca.crt", "other.crt", "client.cert", "client.key", "README"):
        (folder / name).touch()
    environ = {"HOME": str(tmp_path)}
    found = docker_tls("registry.example.com:5000", environ)
    assert found == Tls(
        (folder / "ca.crt", folder / "other.crt"), folder / "client.cert", folder / "client.key"
    )
    assert docker_tls("registry.example.com", environ) == Tls()
    assert docker_tls("registry.example.com:5000", {}) == Tls()


def test_what_was_asked_for_takes_precedence_over_dockers_folder(tmp_path: Path) -> None:
    folder = tmp_path / "containers/certs.d/a.example.com"
    folder.mkdir(parents=True)
    for name in ("ca.crt", "client.cert", "client.key"):
        (folder / name).touch()
    own = Tls((tmp_path / "own.crt",), tmp_path / "own.cert", tmp_path / "own.key", verify=False)
    found = docker_tls("a.example.com", {"XDG_CONFIG_HOME": str(tmp_path)}, own)
    assert found.authorities == (tmp_path / "own.crt", folder / "ca.crt")
    assert (found.certificate, found.key) == (own.certificate, own.key)
    assert not found.verify


def test_a_certificate_in_dockers_folder_needs_its_key(tmp_path: Path) -> None:
    folder = tmp_path / "containers/certs.d/a.example.com"
    folder.mkdir(parents=True)
    (folder / "client.cert").touch()
    with pytest.raises(ValueError, match=r"client\.cert has no key beside it: client\.key"):
        docker_tls("a.example.com", {"XDG_CONFIG_HOME": str(tmp_path)})
