"""The published package runs with the packages of requirements.txt alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from registry_core.auth.sources.htpasswd import htpasswd_line
from registry_core.auth.tokens.keys import SigningKey
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from tests.support.azurite import create_container
from tests.support.host import RunningHost
from tools.package import Published, table

from .serving import serve

pytestmark = pytest.mark.timeout(1200)  # the first test installs all packages

SECRET = {"REGISTRY_HTTP_SECRET": "a secret of the tests, and of nobody else"}
BY_IDENTITY = {
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "unreachable",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "registry",
    "REGISTRY_STORAGE_AZURE_ROOTDIRECTORY": ".",
}

Serve = Callable[[dict[str, str]], RunningHost]


@pytest.fixture
def served(published: Published, tmp_path: Path) -> Serve:
    """Serve the published app with these settings and a secret."""
    return lambda settings: serve(published, settings | SECRET, tmp_path)


def test_a_blob_is_pushed_and_pulled(served: Serve, azurite: Azurite) -> None:
    settings = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
    }
    content = b"a layer, or so"
    with served(settings) as host, httpx.Client(base_url=host.url, timeout=60) as client:
        uploads = f"/v2/published/blobs/uploads/?digest={Digest.of(content)}"
        assert client.post(uploads, content=content).status_code == 201
        blob = client.get(f"/v2/published/blobs/{Digest.of(content)}", follow_redirects=True)
        assert (blob.status_code, blob.content) == (200, content)


def test_a_user_logs_in(served: Serve) -> None:
    """The token service needs cryptography, PyJWT and bcrypt, which nothing else imports."""
    settings = BY_IDENTITY | {
        "REGISTRY_AUTH": "builtin",
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": SigningKey.generate().pem(),
        "REGISTRY_AUTH_HTPASSWD_PATH": htpasswd_line("alice", "secret", 4),
    }
    with served(settings) as host, httpx.Client(base_url=host.url, timeout=60) as client:
        assert client.get("/v2/").status_code == 401
        answer = client.get("/auth/token?service=registry", auth=("alice", "secret"))
        token = {"Authorization": f"Bearer {answer.json()['token']}"}
        assert client.get("/v2/", headers=token).json() == {}


def test_the_app_signs_in_with_its_identity(served: Serve) -> None:
    """With azure-identity, which is imported when the first request opens the store."""
    with served(BY_IDENTITY) as host, httpx.Client(base_url=host.url, timeout=60) as client:
        answer = client.get("/v2/")
        assert (answer.status_code, answer.json()) == (200, {}), host.log()


def test_no_package_interferes_with_the_functions(published: Published) -> None:
    """With a WebSocket library, uvicorn would answer an upgrade and leave the invocation hanging.

    The runtime is part of the worker; a second copy could conflict with it.
    """
    unwanted = {"websockets", "wsproto", "azure-functions-runtime"}
    assert unwanted & set(published.installed()) == set()


def test_the_printed_sizes_add_up(published: Published) -> None:
    """The rows of `python -m tools.package`, in KiB: the whole and its parts."""
    rows = re.findall(r"(?m)^\| (.+) \| (\d+) \|$", table(published))
    (_, compressed), (_, unpacked), (_, packages), *parts = ((what, int(n)) for what, n in rows)
    assert compressed < unpacked < 2048
    assert abs(sum(size for _, size in parts) - packages) < len(parts)
    assert parts[0][0] == "`cryptography`"


def test_no_package_needs_a_compiler(published: Published) -> None:
    """All packages are pure Python, or built for any Linux with glibc."""
    found = published.installed()
    tags = {name: package.read_text("WHEEL") or "" for name, package in found.items()}
    for_any = re.compile(r"^Tag: \S+-(any|manylinux\S+)$", re.MULTILINE)
    assert [name for name, text in tags.items() if not for_any.search(text)] == []
    assert "aiohttp" in found
