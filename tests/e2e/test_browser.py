"""A web page of another origin uses the registry in Chromium: CORS, as browsers implement it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, CorsRule

from registry_core.auth.tokens.keys import SigningKey
from registry_core.serve.azurite import Azurite
from tests.e2e.registries import ALICE, RULES, USERS
from tests.support.access_modes import password
from tests.support.azurite import create_container
from tests.support.hosts import best_host, registry_under
from tests.support.loopback_server import JsonHandler, LoopbackServer
from tests.support.programs import program

CHROMIUM = program("chromium")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    "--virtual-time-budget=60000",
)
TIMEOUT = 90

# What a web interface does: log in, push an image, and look at it.
SCRIPT = """
const {registry, user, size, credentials} = SETTINGS;
const root = `${registry}/v2/team/page`;
const hex = bytes => [...new Uint8Array(bytes)].map(b => b.toString(16).padStart(2, "0")).join("");
const digestOf = async bytes => `sha256:${hex(await crypto.subtle.digest("SHA-256", bytes))}`;
const seen = {};

async function main() {
  const challenge = await fetch(`${registry}/v2/`, {credentials});
  seen.challenge = [challenge.status, challenge.headers.get("WWW-Authenticate")];
  const scope = "repository:team/page:pull,push,delete";
  const granted = await fetch(`${registry}/auth/token?service=registry&scope=${scope}`, {
    headers: {Authorization: `Basic ${btoa(user)}`}});
  const headers = {Authorization: `Bearer ${(await granted.json()).token}`};

  async function push(content) {
    const digest = await digestOf(content);
    const begun = await fetch(`${root}/blobs/uploads/`, {method: "POST", headers, credentials});
    const patched = await fetch(begun.headers.get("Location"), {
      method: "PATCH", headers, body: content, credentials});
    const url = `${patched.headers.get("Location")}&digest=${digest}`;
    const done = await fetch(url, {method: "PUT", headers, credentials});
    return {digest, status: done.status, received: patched.headers.get("Range")};
  }

  const config = new TextEncoder().encode("{}");
  const layer = new Uint8Array(size);
  const blobs = [await push(config), await push(layer)];
  seen.pushed = blobs.map(blob => [blob.status, blob.received]);
  const manifest = JSON.stringify({
    schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {mediaType: "application/vnd.oci.empty.v1+json", digest: blobs[0].digest, size: 2},
    layers: [{mediaType: "application/octet-stream", digest: blobs[1].digest, size}]});
  const tagged = await fetch(`${root}/manifests/v1`, {
    method: "PUT", body: manifest, credentials,
    headers: {...headers, "Content-Type": "application/vnd.oci.image.manifest.v1+json"}});
  seen.tagged = [tagged.status, tagged.headers.get("Docker-Content-Digest")];
  seen.digest = await digestOf(new TextEncoder().encode(manifest));
  seen.tags = (await (await fetch(`${root}/tags/list`, {headers, credentials})).json()).tags;
  const missing = await fetch(`${root}/manifests/v2`, {headers, credentials});
  seen.missing = (await missing.json()).errors[0].code;
  try {
    const read = await fetch(`${root}/blobs/${blobs[1].digest}`, {headers, credentials});
    seen.layer = (await read.arrayBuffer()).byteLength;
  } catch (error) {
    seen.layer = error.name;
  }
  const gone = await fetch(`${root}/manifests/v1`, {method: "DELETE", headers, credentials});
  seen.deleted = gone.status;
}

main().catch(error => { seen.error = `${error.name}: ${error.message}`; }).then(() => {
  document.body.textContent = `seen: ${JSON.stringify(seen)} :seen`;
});
"""


class PageHandler(JsonHandler):
    """Serves the page, whatever its path."""

    page = ""

    def answer(self, body: bytes | None) -> None:
        content = self.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def origins() -> Iterator[tuple[LoopbackServer, LoopbackServer]]:
    """Two servers of the page: the registry lists the origin of the first."""
    first, second = LoopbackServer(PageHandler), LoopbackServer(PageHandler)
    try:
        yield first, second
    finally:
        first.stop()
        second.stop()


@contextmanager
def registry(azurite: Azurite, **settings: str) -> Iterator[str]:
    """Run a registry that requires a login; yield its URL."""
    environment = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret for tests, with enough characters",
        "REGISTRY_AUTH": "builtin",
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": SigningKey.generate().pem(),
        "REGISTRY_AUTH_HTPASSWD_PATH": USERS,
        "REGISTRY_AUTH_RULES": RULES,
    }
    with registry_under(best_host(), environment | settings) as host:
        yield host.url


def show(page: LoopbackServer, folder: Path, url: str, **settings: object) -> Mapping[str, Any]:
    """Open the page in Chromium, and return what its script has seen."""
    values = {"registry": url, "user": f"{ALICE}:{password(ALICE)}", "size": 100_000}
    values |= {"credentials": "omit"} | settings
    script = SCRIPT.replace("SETTINGS", json.dumps(values), 1)
    PageHandler.page = f"<!doctype html><body><script type=module>{script}</script></body>"
    done = subprocess.run(
        [CHROMIUM, *OPTIONS, f"--user-data-dir={folder}", "--dump-dom", page.url],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    found = re.search("seen: (.*) :seen", done.stdout)
    assert found, (done.stdout, done.stderr[-2000:])
    seen: Mapping[str, Any] = json.loads(unescape(found[1]))
    return seen


@pytest.mark.parametrize("credentials", ["omit", "include"])
def test_a_page_of_a_listed_origin_logs_in_pushes_reads_and_deletes(
    azurite: Azurite,
    origins: tuple[LoopbackServer, LoopbackServer],
    tmp_path: Path,
    credentials: str,
) -> None:
    page, _ = origins
    settings = {
        "REGISTRY_HTTP_CORS_ORIGINS": page.url,
        "REGISTRY_STORAGE_REDIRECT_DISABLE": "true",
    }
    with registry(azurite, **settings) as url:
        seen = show(page, tmp_path, url, credentials=credentials)
    assert "error" not in seen, seen
    status, challenge = seen["challenge"]
    assert (status, challenge.startswith("Bearer realm=")) == (401, True)
    assert seen["pushed"] == [[201, "0-1"], [201, "0-99999"]]
    assert seen["tagged"] == [201, seen["digest"]]
    assert (seen["tags"], seen["missing"]) == (["v1"], "MANIFEST_UNKNOWN")
    assert (seen["layer"], seen["deleted"]) == (100_000, 202)


def test_a_page_of_another_origin_reads_nothing(
    azurite: Azurite, origins: tuple[LoopbackServer, LoopbackServer], tmp_path: Path
) -> None:
    listed, other = origins
    with registry(azurite, REGISTRY_HTTP_CORS_ORIGINS=listed.url) as url:
        seen = show(other, tmp_path, url)
    assert seen == {"error": "TypeError: Failed to fetch"}


@pytest.mark.parametrize("allowed", [False, True], ids=["no rule", "a rule of storage"])
def test_a_page_follows_a_redirect_if_storage_allows_every_origin(
    azurite: Azurite,
    origins: tuple[LoopbackServer, LoopbackServer],
    tmp_path: Path,
    *,
    allowed: bool,
) -> None:
    """Pages of any origin may use this registry. docs/api.md, "Browsers"."""
    page, _ = origins
    rules = [CorsRule(["*"], ["GET", "HEAD"])] if allowed else []
    with BlobServiceClient.from_connection_string(
        azurite.connection_string, api_version="2025-11-05"
    ) as service:
        service.set_service_properties(cors=rules)
        try:
            with registry(azurite, REGISTRY_HTTP_CORS_ORIGINS="*") as url:
                seen = show(page, tmp_path, url)
        finally:
            service.set_service_properties(cors=[])
    assert "error" not in seen, seen
    assert seen["layer"] == (100_000 if allowed else "TypeError")
