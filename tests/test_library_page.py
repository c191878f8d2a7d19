"""Every Python example of docs/library.md does what the page says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from registry_core import MemoryStore, StoredRegistry, asgi
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from tests.house.tree import PROJECT
from tests.support.azurite import create_container
from tests.support.content import push_image
from tests.support.in_process import client_of
from tests.support.served import served

PAGE = (PROJECT / "docs" / "library.md").read_text()
CONTENT = b"a layer"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = b'{"schemaVersion": 2, "mediaType": "%s", "config": %s, "layers": []}'


def examples() -> Iterator[tuple[str, str]]:
    """Yield the headings of the page, each with its examples in order."""
    for section in PAGE.split("\n## ")[1:]:
        heading = section.partition("\n")[0]
        for code in re.findall(r"(?ms)^```python\n(.*?)^```", section):
            yield heading, code


EXAMPLES = list(examples())


def run(heading: str, number: int = 0) -> dict[str, Any]:
    """Run an example, and return its names."""
    code = [code for title, code in EXAMPLES if title == heading][number]
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, f"docs/library.md, {heading}", "exec", dont_inherit=True), names)
    return names


async def push_blob(
    registry: httpx.AsyncClient, repository: str, *, content: bytes = CONTENT, **options: Any
) -> int:
    """Push a blob, and return the status."""
    url = f"/v2/{repository}/blobs/uploads/?digest={Digest.of(content)}"
    return (await registry.post(url, content=content, **options)).status_code


async def push_manifest(registry: httpx.AsyncClient, repository: str) -> int:
    """Push a manifest whose config is the blob, and return the status."""
    config = b'{"mediaType": "application/octet-stream", "digest": "%s", "size": %d}' % (
        str(Digest.of(CONTENT)).encode(),
        len(CONTENT),
    )
    manifest = MANIFEST % (MANIFEST_TYPE.encode(), config)
    headers = {"Content-Type": MANIFEST_TYPE}
    url = f"/v2/{repository}/manifests/v1"
    return (await registry.put(url, content=manifest, headers=headers)).status_code


async def pull_blob(registry: httpx.AsyncClient, repository: str, **options: Any) -> int:
    """Pull the blob, and return the status."""
    answer = await registry.get(f"/v2/{repository}/blobs/{Digest.of(CONTENT)}", **options)
    assert answer.content == CONTENT or answer.status_code != 200
    return answer.status_code


def test_every_example_is_tested() -> None:
    assert [heading for heading, _ in EXAMPLES] == [
        "A registry in five lines",
        "Storage in Azure",
        "Wrappers",
        "Wrappers",
        "Authentication",
        "Inside another application",
        "Without HTTP",
        "Any registry, over HTTP",
        "Errors",
    ]


def test_the_readme_shows_the_same_five_lines() -> None:
    assert EXAMPLES[0][1] in (PROJECT / "README.md").read_text()


@pytest.mark.anyio
async def test_five_lines_are_a_registry() -> None:
    async with client_of(run("A registry in five lines")["app"]) as registry:
        assert await push_blob(registry, "team/app") == 201
        assert await push_manifest(registry, "team/app") == 201
        assert await pull_blob(registry, "team/app") == 200


@pytest.mark.anyio
async def test_storage_in_azure(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTION", azurite.connection_string)
    monkeypatch.setenv("CONTAINER", create_container(azurite))
    monkeypatch.setenv("SECRET", "any text of 32 characters or more")
    async with client_of(run("Storage in Azure")["app"]) as registry:
        large = CONTENT * 2**14
        assert await push_blob(registry, "team/app", content=large) == 201
        answer = await registry.get(f"/v2/team/app/blobs/{Digest.of(large)}")
        assert answer.status_code == 307
        assert answer.headers["Location"].startswith(f"http://127.0.0.1:{azurite.port}/")


@pytest.mark.anyio
async def test_a_read_only_registry() -> None:
    async with client_of(run("Wrappers")["app"]) as registry:
        assert await push_blob(registry, "team/app") == 405


@pytest.mark.anyio
async def test_a_wrapper_of_ones_own() -> None:
    async with client_of(run("Wrappers", 1)["app"]) as registry:
        for repository, status in (("team/app", 201), ("other/app", 403)):
            assert await push_blob(registry, repository) == 201
            assert await push_manifest(registry, repository) == status


@pytest.mark.anyio
async def test_authentication() -> None:
    alice: dict[str, Any] = {"auth": ("alice", "secret")}
    async with client_of(run("Authentication")["app"]) as registry:
        assert await push_blob(registry, "public/app") == 401
        assert await push_blob(registry, "public/app", auth=("alice", "wrong")) == 401
        assert await push_blob(registry, "public/app", **alice) == 201
        assert await push_blob(registry, "team/app", **alice) == 201
        assert await pull_blob(registry, "public/app") == 200
        assert await pull_blob(registry, "team/app") == 401


@pytest.mark.anyio
@pytest.mark.parametrize("framework", ["Starlette", "FastAPI"])
async def test_a_mounted_registry(framework: str) -> None:
    """Mounted as in the example, and in FastAPI with the same line."""
    names = run("Inside another application")
    app = names["app"]
    if framework == "FastAPI":
        app = FastAPI()
        app.mount("/v2", names["registry"])
    async with client_of(app) as registry:
        assert (await registry.get("/v2/")).status_code == 200
        assert await push_blob(registry, "team/app") == 201
        assert await pull_blob(registry, "team/app") == 200
        started = await registry.post("/v2/team/app/blobs/uploads/")
        patched = await registry.patch(started.headers["Location"], content=CONTENT)
        assert patched.status_code == 202
        health = 200 if framework == "Starlette" else 404
        assert (await registry.get("/health")).status_code == health


@pytest.mark.parametrize(
    "heading, printed",
    [("Without HTTP", "hello\n()\n"), ("Errors", "MANIFEST_UNKNOWN 404\n")],
)
def test_what_an_example_prints(
    heading: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(heading)
    assert capsys.readouterr().out == printed
    assert all(f"`{line}`" in PAGE for line in printed.splitlines())


@pytest.mark.anyio
async def test_a_client_of_any_registry(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registry = StoredRegistry(MemoryStore())
    await push_image(registry, "team/app", "v1", [b"a layer"])
    app = asgi(registry, secret="any text of 32 characters or more")
    async with served(app) as url:
        monkeypatch.setenv("REGISTRY", url)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        await asyncio.to_thread(run, "Any registry, over HTTP")
    assert capsys.readouterr().out == "['v1']\n7 True\n"
    assert "it prints `['v1']`\nand `7 True`." in PAGE
