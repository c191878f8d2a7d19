"""`moorage copy`, `sync` and `import` between CNCF distribution, layouts and ours."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.commands import run
from tests.e2e.clients import ImageClient
from tests.e2e.images import LayoutImage, noise_image
from tests.e2e.takeover.contents import head, sign
from tests.e2e.takeover.distribution import Distribution
from tests.support.hosts import best_host, registry_under

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> LayoutImage:
    """A small image that no other test pushes."""
    return noise_image(tmp_path_factory.mktemp("images") / "noise", 2**20, 2 * 2**20)


@pytest.fixture(scope="module")
def distribution(
    tmp_path_factory: pytest.TempPathFactory,
    client_named: Callable[[str], ImageClient],
    image: LayoutImage,
    two_platforms: LayoutImage,
) -> Iterator[str]:
    """Run distribution with an image in two tags, an index of two platforms, and a signed image."""
    skopeo = client_named("skopeo")
    with Distribution(tmp_path_factory.mktemp("distribution") / "data") as authority:
        for reference in ("plain/app:v1", "plain/app:v2", "signed/app:v1"):
            skopeo.push(image, f"{authority}/{reference}")
        skopeo.push(two_platforms, f"{authority}/platforms:latest")
        sign(authority, "signed/app", image)
        yield authority


@pytest.fixture
def prefix(registry: str) -> str:
    """Where nothing is yet in our registry, as `host:port/name`."""
    return f"{registry}/{uuid.uuid4().hex}"


def report_of(*arguments: str) -> Any:
    """Run a command; return the document that it prints."""
    ran = run({}, *arguments, "--json")
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    return json.loads(ran.stdout)


def digest(location: str, tag: str) -> str:
    """Return what a registry says that a tag points to."""
    authority, repository = location.split("/", 1)
    return head(authority, repository, tag).raise_for_status().headers["Docker-Content-Digest"]


def test_three_repositories_are_kept_in_sync(
    distribution: str, prefix: str, image: LayoutImage, tmp_path: Path
) -> None:
    """With all platforms and a signature; a second run copies nothing."""
    file = tmp_path / "sync.toml"
    file.write_text(
        f"""
        [[sync]]
        source = "{distribution}/plain/app"
        target = "{prefix}/plain"
        tags = ["v*"]

        [[sync]]
        source = "{distribution}/platforms:latest"
        target = "{prefix}/platforms"

        [[sync]]
        source = "{distribution}/signed"
        target = "{prefix}"
        repositories = ["*"]
        tags = ["v*"]
        referrers = true
        """
    )
    first = report_of("sync", str(file))
    for source, target, tag in (
        ("plain/app", "plain", "v1"),
        ("plain/app", "plain", "v2"),
        ("platforms", "platforms", "latest"),
        ("signed/app", "app", "v1"),
    ):
        assert digest(f"{distribution}/{source}", tag) == digest(f"{prefix}/{target}", tag)
    assert [len(entry["copies"]) for entry in first["entries"]] == [1, 1, 1]
    authority, name = prefix.split("/", 1)
    listed = httpx.get(f"http://{authority}/v2/{name}/app/referrers/{image.digest}").json()
    assert [each["annotations"] for each in listed["manifests"]] == [{"by": "somebody"}]

    for entry in report_of("sync", str(file))["entries"]:
        [copy] = entry["copies"]
        assert copy["tags"] == {}
        assert {*copy["manifests"], *copy["blobs"]} <= {"present"}
        assert copy["bytesRead"] == 0


def test_an_index_keeps_its_digest_through_a_layout(
    distribution: str, prefix: str, two_platforms: LayoutImage, tmp_path: Path
) -> None:
    layout = f"oci:{tmp_path}/layout"
    report_of("copy", f"{distribution}/platforms:latest", layout)
    report_of("copy", layout, f"{prefix}/platforms")
    assert digest(f"{prefix}/platforms", "latest") == two_platforms.digest


def test_one_platform_of_an_index_can_be_pulled(
    distribution: str,
    prefix: str,
    two_platforms: LayoutImage,
    client_named: Callable[[str], ImageClient],
) -> None:
    source, target = f"{distribution}/platforms:latest", f"{prefix}/arm:v1"
    report_of("copy", "--platform=linux/arm64", source, target)
    pulled = client_named("skopeo").pull(target, "linux/arm64")
    assert pulled.identity == two_platforms.identity_for("linux/arm64")


def test_layers_of_an_import_are_fetched_by_storage(
    prefix: str,
    storage: dict[str, str],
    image: LayoutImage,
    client_named: Callable[[str], ImageClient],
) -> None:
    """Another host of the same registry is a foreign one by its name: nothing can be mounted."""
    client_named("skopeo").push(image, f"{prefix}/source:v1")
    secret = {"REGISTRY_HTTP_SECRET": "a secret of its own, which is long enough"}
    with registry_under(best_host(), storage | secret) as host:
        target = f"127.0.0.1:{host.port}/{prefix.split('/')[1]}/target"
        report = report_of("import", "--no-stream", f"{prefix}/source:v1", target)
        assert digest(target, "v1") == image.digest
    sizes = [layer["size"] for layer in image.manifest["layers"]]
    assert report["blobs"]["fetched"] == {"number": 2, "bytes": sum(sizes)}
